//! wip
pub mod completions;
pub mod exit;
pub mod lang;
pub mod ledger;
pub mod out;
pub mod status;
pub mod table;
pub mod up;
pub mod run;
pub mod rebuild;
pub mod progress;
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> { Ok(tokio::runtime::Runtime::new()?) }
pub fn main(_: std::env::ArgsOs) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
pub struct Context {
    pub lang: lang::Lang,
    pub json: bool,
    pub data: std::path::PathBuf,
    pub ledger: Option<String>,
    pub colour: bool,
    pub width: Option<usize>,
}
pub fn command() -> clap::Command {
    clap::Command::new("x")
}
