//! The program: arguments, what they ask for, exit status.

use std::process::ExitCode;

use mesos_dns::{
    args::{self, Args, Command},
    ask, check,
    commands::{doctor, query, status, watch},
    daemon, demo, dump, explain,
};

/// Frees memory back to the system in time and keeps many threads out of each other's way; the cluster's model is
/// millions of small allocations.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Args { common, command } = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(status) => return status,
    };
    process_start::look_up_without_plug_ins();
    let outcome = match command.unwrap_or(Command::Serve) {
        Command::Serve => daemon::run(&common).map(done),
        Command::Demo(options) => demo::run(&options, &common).map(done),
        Command::Check(options) => check::run(&options, &common),
        Command::Doctor(options) => doctor::run(&options, &common),
        Command::Status(options) => status::run(&options, &common),
        Command::Query(options) => query::run(&options, &common),
        Command::Explain(options) => explain::run(&options, &common).map(done),
        Command::Watch(options) => watch::run(&options, &common),
        Command::Dump(options) => dump::run(&options, &common),
        Command::Release(options) => ask::release(&options, &common).map(done),
        Command::Flush(options) => ask::flush(&options, &common).map(done),
        Command::Completions { shell } => {
            args::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("mesos-dns: {error:#}");
        ExitCode::FAILURE
    })
}

/// Nothing went wrong.
fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
