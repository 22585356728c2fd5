//! One verb per file. A verb reads as a story: what it was given, what it does, what it prints.
//!
//! Only `up`, `run`, `rebuild` and `withhold` open the store; every other verb speaks to a running ledger or reads a log
//! folder (an audit makes a store of its own and removes it).

pub mod audit;
pub mod catalogue;
pub mod completions;
pub mod exit;
pub mod export;
pub mod import;
pub mod journal;
pub mod key;
pub mod keygen;
pub mod kinds;
pub mod ledger;
pub mod nats_config;
pub mod out;
pub mod progress;
pub mod rebuild;
pub mod receipt;
pub mod recover;
pub mod replay;
pub mod report;
pub mod run;
pub mod sender;
pub mod status;
pub mod table;
pub mod up;
pub mod verify;
pub mod withhold;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::event::lang::Lang;
use exit::{Exit, Failure, is_broken_pipe};

/// An event-sourced progress ledger: agencies report signed milestones, anyone can ask where each commitment stands.
#[derive(Debug, Parser)]
#[command(name = "jindo", version, disable_help_subcommand = true, after_help = TOP_HELP)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Examples and exit codes; a test holds that the latter equal [`exit::CODES`].
const TOP_HELP: &str = "\
Examples:
  jindo up                                  everything on this machine, in ./data
  jindo status                              where the commitments stand
  jindo status ev-chargers --as-of 2026-06-30
  jindo report charger.installed.v1 --agency keco count=12 class=fast region=11
  jindo import chargers.csv --type charger.installed.v1 --agency keco --key 관리번호

Exit codes:
  0  done
  1  done, and something is wrong: a report refused, a catalogue with mistakes, faulty rows
  2  could not be done: ledger unreachable, file unreadable
  3  the command line is wrong
  4  not permitted by NATS or by the ledger
  5  sent, but not known to be recorded: it waits in the outbox, `jindo report --pending` settles it";

/// Options of every verb.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// Language of what is said [default: from LC_ALL or LANG]
    #[arg(long, global = true, value_enum, help_heading = "Global options")]
    pub lang: Option<Lang>,
    /// JSON instead of text
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Folder of the ledger: log, store, keys, outbox
    #[arg(
        long,
        global = true,
        env = "JINDO_DATA",
        default_value = "data",
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub data: PathBuf,
    /// HTTP address of a running ledger [default: from DIR/running.json]
    #[arg(long, global = true, env = "JINDO_LEDGER", value_name = "URL", help_heading = "Global options")]
    pub ledger: Option<String>,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = "Global options")]
    pub color: Colour,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Args),
    Run(run::Args),
    Keygen(keygen::Args),
    #[command(subcommand)]
    Key(key::Verb),
    NatsConfig(nats_config::Args),
    Report(report::Args),
    Import(import::Args),
    Export(export::Args),
    Status(status::Args),
    Replay(replay::Args),
    Receipt(receipt::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Catalogue(catalogue::Verb),
    Rebuild(rebuild::Args),
    Recover(recover::Args),
    Audit(audit::Args),
    Withhold(withhold::Args),
    Completions(completions::Args),
}

/// What every verb knows.
#[derive(Debug, Clone)]
pub struct Context {
    /// Language of what is said.
    pub lang: Lang,
    /// JSON instead of text.
    pub json: bool,
    /// Folder of the ledger.
    pub data: PathBuf,
    /// HTTP address given.
    pub ledger: Option<String>,
    /// Colour standard output.
    pub colour: bool,
    /// Columns of the terminal standard output is; `None` where it is none.
    pub width: Option<usize>,
}

impl Context {
    fn new(global: Global) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = match global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !plain,
        };
        let width = terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| usize::from(width.0));
        let lang = global.lang.unwrap_or_else(|| Lang::from_locale(|name| std::env::var(name).ok()));
        Context { lang, json: global.json, data: global.data, ledger: global.ledger, colour, width }
    }
}

/// Parses, runs, says what went wrong, gives the exit code.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing to do where even this cannot be written.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return ExitCode::from(exit.code());
        }
    };
    log_to_stderr(&cli.verb);
    let context = Context::new(cli.global);
    let exit = match run_verb(cli.verb, &context) {
        Ok(exit) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::Ok,
        Err(error) => say(&error, context.lang),
    };
    ExitCode::from(exit.code())
}

/// What happens inside, on standard error: what `RUST_LOG` asks for, else of a ledger that stays up its warnings and what it
/// does, and of commands that end only errors of their own: what failed is said once, in words, and a client library's line
/// before it says the same in others.
fn log_to_stderr(verb: &Verb) {
    let default = match verb {
        Verb::Up(_) | Verb::Run(_) => "warn,jindo=info",
        _ => "error,async_nats=off",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call, as in tests, finds the first in place.
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// The command line as clap knows it, for completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

fn run_verb(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    match verb {
        Verb::Up(args) => up::run(args, context),
        Verb::Run(args) => run::run(args, context),
        Verb::Keygen(args) => keygen::run(args, context),
        Verb::Key(verb) => key::run(verb, context),
        Verb::NatsConfig(args) => nats_config::run(args, context),
        Verb::Report(args) => report::run(args, context),
        Verb::Import(args) => import::run(args, context),
        Verb::Export(args) => export::run(args, context),
        Verb::Status(args) => status::run(args, context),
        Verb::Replay(args) => replay::run(args, context),
        Verb::Receipt(args) => receipt::run(args, context),
        Verb::Verify(args) => verify::run(args, context),
        Verb::Catalogue(verb) => catalogue::run(verb, context),
        Verb::Rebuild(args) => rebuild::run(args, context),
        Verb::Recover(args) => recover::run(args, context),
        Verb::Audit(args) => audit::run(args, context),
        Verb::Withhold(args) => withhold::run(args, context),
        Verb::Completions(args) => completions::run(args, context),
    }
}

/// Says a failure on standard error, once, and gives its exit code.
fn say(error: &anyhow::Error, lang: Lang) -> Exit {
    let (text, exit) = match error.downcast_ref::<Failure>() {
        Some(failure) => (failure.said(lang), failure.exit),
        None => (format!("{error:#}"), Exit::Could),
    };
    eprintln!("{}{}", lang.pick("jindo: ", "jindo: "), table::harmless_lines(&text));
    exit
}

/// A runtime for the verbs that speak to NATS.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_teaches_by_example() {
        for verb in command().get_subcommands() {
            let mut verbs = vec![verb];
            if verb.has_subcommands() {
                verbs = verb.get_subcommands().collect();
            }
            for verb in verbs {
                let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
                let examples = help.lines().filter(|line| line.starts_with("  jindo ")).count();
                assert!(examples >= 2, "{} has {examples} examples", verb.get_name());
                assert!(verb.get_about().is_some(), "{}", verb.get_name());
            }
        }
    }

    #[test]
    fn exit_codes_stand_in_the_help() {
        assert!(TOP_HELP.contains(exit::CODES));
    }

    #[test]
    fn a_wrong_command_line_is_usage() {
        for args in [&["jindo", "nonsense"][..], &["jindo", "status", "--as-of"], &["jindo", "import"]] {
            let error = parse(args.iter().map(OsString::from)).err().unwrap();
            assert!(error.use_stderr(), "{args:?}");
        }
        assert!(!parse(["jindo", "--help"].iter().map(OsString::from)).err().unwrap().use_stderr());
    }
}
