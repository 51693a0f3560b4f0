//! Owns the verb `status`: asks a running instance and prints what it says. Must never look at cluster or repository.

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;

use super::args::{Format, Status};
use super::say::say;
use crate::http::client;
use crate::report::{render, terminal};

/// Prints the status of the instance at `--url`. The exit code is 0 when it is ready, else 1.
///
/// # Errors
/// When nothing, or nothing of ours, answers.
pub async fn run(arguments: &Status, output: Format) -> anyhow::Result<ExitCode> {
    let page = client::status(&arguments.url).await?;
    let text = match output {
        Format::Text => render::status(&page, Timestamp::now(), terminal::colour(&io::stdout())),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&page)?),
    };
    say(text)?;
    Ok(if page.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Handles, Server};
    use crate::report::{Metrics, StatusHandle};
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn the_exit_code_says_whether_the_instance_is_ready() {
        let handles = Handles { status: StatusHandle::new(Default::default()), metrics: Metrics::new() };
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let arguments = Status { url: format!("http://{}/", server.address()) };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(handles.clone(), stop.clone()));
        let code = |code: ExitCode| format!("{code:?}");
        assert_eq!(code(run(&arguments, Format::Text).await.unwrap()), code(ExitCode::FAILURE));
        handles.status.update(|page| page.ready = true);
        assert_eq!(code(run(&arguments, Format::Json).await.unwrap()), code(ExitCode::SUCCESS));
        stop.cancel();
        tokio::time::timeout(std::time::Duration::from_secs(20), serving).await.unwrap().unwrap();
        assert!(run(&arguments, Format::Text).await.unwrap_err().to_string().contains("cannot reach"));
    }
}
