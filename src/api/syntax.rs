//! The API server's syntax of names, labels, ports and address ranges.

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Whether it is a DNS label (RFC 1123): lower-case letters, digits and inner `-`, at most `longest` bytes.
pub(super) fn is_dns_label(text: &str, longest: usize) -> bool {
    text.len() <= longest && is_word(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == b'-')
}

/// What is wrong with a label key, if anything: `[prefix/]name`.
pub(super) fn label_key_fault(key: &str) -> Option<&'static str> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !is_label_word(name) {
        return Some("at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit");
    }
    let prefixed =
        prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(|part| is_dns_label(part, 253)));
    (!prefixed).then_some("a DNS name before the '/'")
}

/// Whether it is a label value: empty, or like a key's name.
pub(super) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_word(value)
}

/// The first label key or value of a selector that the API server would refuse, with what it takes.
pub(super) fn selector_fault(selector: &LabelSelector) -> Option<(String, &'static str)> {
    let pairs = selector.match_labels.iter().flatten().map(|(key, value)| (key, std::slice::from_ref(value)));
    let requirements = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|requirement| (&requirement.key, requirement.values.as_deref().unwrap_or_default()));
    pairs.chain(requirements).find_map(|(key, values)| {
        label_key_fault(key).map(|expected| (format!("label key {key:?}"), expected)).or_else(|| {
            let value = values.iter().find(|value| !is_label_value(value))?;
            let expected = "a label value: nothing, or at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";
            Some((format!("value {value:?} of label key {key:?}"), expected))
        })
    })
}

/// Whether it is a container port's name (IANA_SVC_NAME, RFC 6335): at most 15 bytes, a letter in it, no `--`.
pub(super) fn is_port_name(name: &str) -> bool {
    is_dns_label(name, 15) && name.bytes().any(|c| c.is_ascii_lowercase()) && !name.contains("--")
}

/// An address range; `Err`: what to write instead.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    // By way of the standard library's addresses: ipnet takes 010.0.0.0 for ten, others take it for eight (CVE-2021-29923).
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let canonical = length == "0" || !length.starts_with(['0', '+']);
        let length = length.parse().ok().filter(|_| canonical)?;
        IpNet::new(address.parse().ok()?, length).ok()
    });
    let range = parsed.ok_or("an address range such as 192.0.2.0/24 or 2001:db8::/32")?;
    if range.trunc() == range { Ok(range) } else { Err(format!("the range's first address: {}", range.trunc())) }
}

fn is_label_word(text: &str) -> bool {
    text.len() <= 63 && is_word(text, |c| c.is_ascii_alphanumeric(), |c| matches!(c, b'-' | b'_' | b'.'))
}

fn is_word(text: &str, outer: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => outer(*only),
        [first, middle @ .., last] => outer(*first) && outer(*last) && middle.iter().all(|&c| outer(c) || inner(c)),
    }
}
