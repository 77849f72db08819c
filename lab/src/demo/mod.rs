//! The demonstration: the product on a real control plane, told in stops. What is shown is read from the API server at
//! that moment, and a stop that does not show what it promises is an error: the demonstration is a test, too.

mod moment;
mod narrate;
mod reach;
mod stage;
mod status;
mod trouble;
mod walk;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use lab::operator::{self, Operator};
use lab::{ControlPlane, Options, nodes, story};

use narrate::Narrator;
use stage::Stage;

/// How long policies are given to be in force. No engine runs here: long enough to be seen, short enough to watch.
const SETTLE: Duration = Duration::from_millis(300);

/// Tells the story on a control plane of its own, and gives that with the time it took.
pub(crate) async fn tell(options: Options) -> anyhow::Result<(ControlPlane, Duration)> {
    let narrator = Narrator::new();
    narrator.say(
        "NetworkBaseline, on a real kube-apiserver. The operator is the real binary, under the service account and \
         rights of config/. Pods are objects here: nothing runs in them and NO PACKET FLOWS yet. Who reaches whom is \
         answered by the evaluator that also proves the plans, from what the API server holds.\n",
    );
    let plane = step(&narrator, "etcd, kube-apiserver and kube-controller-manager are up", async {
        Ok(ControlPlane::start(options).await?)
    });
    let plane = plane.await?;
    let client = plane.client().await?;
    step(&narrator, "config/ is installed: definition, rights, service account", async {
        Ok(operator::install(&plane)?)
    })
    .await?;
    step(&narrator, "two nodes and the workloads of shop, payments, monitoring, edge and kube-system", async {
        nodes::create(&client).await?;
        play_nodes(&plane)?;
        Ok(story::set_up(&client).await?)
    })
    .await?;
    narrator.waits("the operator's binary is built where it is not up to date: minutes, the first time");
    step(&narrator, "the operator's binary is there", async { Ok(operator::binary().await?) }).await?;
    let options = operator::Options { settle: SETTLE, ..operator::Options::default() };
    let operator =
        step(&narrator, "the operator leads and is ready", async { Ok(Operator::start(&plane, &options).await?) });
    let _operator = operator.await?;
    all_run(&client).await?;

    let mut stage = Stage::new(&plane, client, narrator).await?;
    walk::off(&mut stage).await?;
    walk::audit(&mut stage).await?;
    walk::canary(&mut stage).await?;
    walk::enforce(&mut stage).await?;
    walk::payments(&mut stage).await?;
    trouble::resolver_moves(&mut stage).await?;
    trouble::policy_edited(&mut stage).await?;
    trouble::name_taken(&mut stage).await?;
    trouble::hold(&mut stage).await?;
    walk::back(&mut stage).await?;
    trouble::deleted(&mut stage).await?;
    let elapsed = stage.narrator.elapsed();
    Ok((plane, elapsed))
}

async fn step<T>(narrator: &Narrator, what: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let began = Instant::now();
    let done = work.await?;
    narrator.took(what, began.elapsed());
    Ok(done)
}

/// The stand-ins for nodes are a process of the lab: they stay with it when this one ends.
fn play_nodes(plane: &ControlPlane) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("looking for this program")?;
    let mut command = Command::new(own);
    command.args(["nodes", "--name", plane.name()]);
    plane.spawn("nodes", command)?;
    Ok(())
}

/// Waits until every pod of the story has an address.
async fn all_run(client: &kube::Client) -> anyhow::Result<()> {
    use k8s_openapi::api::core::v1::Pod;
    let pods = kube::Api::<Pod>::all(client.clone());
    let began = Instant::now();
    loop {
        let listed = pods.list(&kube::api::ListParams::default()).await.context("listing pods")?;
        let addressed = |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some());
        if listed.items.len() >= story::PODS && listed.iter().all(addressed) {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(30), "the pods of the story do not run");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
