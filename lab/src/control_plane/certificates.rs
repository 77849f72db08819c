//! The lab's own authority and what it signs. ECDSA P-256 throughout: quick to make, and read by every side.
//!
//! Validity is the library's default (always): a lab lives for hours, and machines with a wrong clock should work.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::error::Doing;
use crate::{Error, Result};

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Pair {
    pub(crate) fn at(pki: &Path, name: &str) -> Self {
        Self { certificate: pki.join(format!("{name}.crt")), key: pki.join(format!("{name}.key")) }
    }
}

/// The authority of one lab, on disk in its `pki` folder, so that a later command can sign as well.
pub(crate) struct Authority {
    pki: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn create(pki: &Path) -> Result<Self> {
        fs::create_dir_all(pki).at("creating", pki)?;
        let key = new_key("the lab's authority")?;
        let certificate = parameters().self_signed(&key).map_err(failed("the lab's authority"))?;
        let pair = Pair::at(pki, "ca");
        fs::write(&pair.certificate, certificate.pem()).at("writing", &pair.certificate)?;
        write_secret(&pair.key, &key.serialize_pem())?;
        Ok(Self { pki: pki.to_owned(), issuer: Issuer::new(parameters(), key) })
    }

    pub(crate) fn open(pki: &Path) -> Result<Self> {
        let path = Pair::at(pki, "ca").key;
        let text = fs::read_to_string(&path).at("reading", &path)?;
        let key = KeyPair::from_pem(&text).map_err(failed("the lab's authority"))?;
        Ok(Self { pki: pki.to_owned(), issuer: Issuer::new(parameters(), key) })
    }

    /// A serving certificate for the names and addresses.
    pub(crate) fn server(&self, name: &str, hosts: &[&str]) -> Result<Pair> {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).map_err(failed(name))?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, parameters)
    }

    /// A client certificate: the API server takes CN as the user and each O as a group.
    pub(crate) fn client(&self, file: &str, user: &str, groups: &[&str]) -> Result<Pair> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, user);
        // rcgen keeps one value per attribute, so only the first group fits.
        if let Some(&group) = groups.first() {
            parameters.distinguished_name.push(DnType::OrganizationName, group);
        }
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, parameters)
    }

    /// A bare key pair, for service-account tokens: a public key in the place of the certificate.
    pub(crate) fn bare_pair(&self, name: &str) -> Result<Pair> {
        let pair = Pair::at(&self.pki, name);
        let key = new_key(name)?;
        // Kubernetes reads the public half from a PKCS #8 private key only if that is RSA.
        fs::write(&pair.certificate, key.public_key_pem()).at("writing", &pair.certificate)?;
        write_secret(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }

    fn sign(&self, name: &str, mut parameters: CertificateParams) -> Result<Pair> {
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.use_authority_key_identifier_extension = true;
        let key = new_key(name)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(failed(name))?;
        let pair = Pair::at(&self.pki, name);
        fs::write(&pair.certificate, certificate.pem()).at("writing", &pair.certificate)?;
        write_secret(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }
}

/// The same at every call, so that only the key has to be kept.
fn parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "netbaseline-lab");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

fn new_key(subject: &str) -> Result<KeyPair> {
    KeyPair::generate().map_err(failed(subject))
}

fn failed(subject: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let subject = subject.to_owned();
    move |source| Error::Certificate { subject, source }
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut file =
        fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path).at("opening", path)?;
    file.write_all(text.as_bytes()).at("writing", path)
}
