//! `cargo lab`: a control plane for play, the demonstration, and every test in one command.
#![allow(clippy::disallowed_methods, reason = "the lab is an edge: it reads the clock and the environment by trade")]

mod commands;
mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A real Kubernetes control plane on this machine, without docker, a cloud or root.
#[derive(Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(clap::Args)]
struct Name {
    /// Several labs can run side by side under different names
    #[arg(long, default_value = "default")]
    name: String,
}

#[derive(Subcommand)]
enum Verb {
    /// Start a control plane and leave it running
    Up(Name),
    /// End it and remove everything it left
    Down {
        #[command(flatten)]
        name: Name,
        /// End every lab of this user
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// List the labs and their processes
    Status,
    /// Print the path of the administrator's kubeconfig
    Kubeconfig(Name),
    /// Run kubectl of the pinned version against a lab
    Kubectl {
        #[command(flatten)]
        name: Name,
        /// What kubectl gets
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Show the product on a control plane of its own, in about a minute
    Demo {
        /// Leave everything running to play with, as the lab "demo"
        #[arg(long)]
        keep: bool,
    },
    /// Play scheduler and kubelet for a lab until it ends: its pods are said to run
    #[command(hide = true)]
    Nodes(Name),
    /// Run every test of the workspace, those on a real control plane included
    Test {
        /// Only tests whose names contain one of these, and options of the test harness
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<String>,
    },
    /// Run what has to hold before a change lands
    Ci,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Verb::Up(Name { name }) => commands::up::run(name).await,
        Verb::Down { name: Name { name }, all } => commands::down::run(&name, all),
        Verb::Status => commands::status::run(),
        Verb::Kubeconfig(Name { name }) => commands::kubeconfig::run(&name),
        Verb::Kubectl { name: Name { name }, arguments } => commands::kubectl::run(&name, &arguments),
        Verb::Demo { keep } => commands::demo::run(keep).await,
        Verb::Nodes(Name { name }) => commands::nodes::run(&name).await,
        Verb::Test { filters } => commands::test::run(&filters),
        Verb::Ci => commands::ci::run(),
    };
    outcome.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
