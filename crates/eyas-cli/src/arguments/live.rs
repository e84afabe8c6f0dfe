//! The live view.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

/// The live view.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Web {
    /// Show what happens in the browser, served at this address; results do not depend on it [default address:
    /// 127.0.0.1:7878; port 0 takes a free one]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = ADDRESS, value_parser = address)]
    pub(crate) web: Option<SocketAddr>,
}

/// Where the live view is served, if not said otherwise.
const ADDRESS: &str = "127.0.0.1:7878";

/// `192.168.1.5:80`, `localhost:80`, `192.168.1.5`, `80`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let default: SocketAddr = ADDRESS.parse().expect("an address and a port");
    let (host, port) = match text.strip_prefix("localhost") {
        Some(rest) => ("127.0.0.1", rest.strip_prefix(':')),
        None => ("", None),
    };
    let of_localhost = (!host.is_empty()).then(|| match port {
        Some(port) => format!("{host}:{port}").parse().ok(),
        None if text == "localhost" => Some(default),
        None => None,
    });
    of_localhost
        .flatten()
        .or_else(|| text.parse().ok())
        .or_else(|| text.parse().ok().map(|host: IpAddr| SocketAddr::new(host, default.port())))
        .or_else(|| text.parse().ok().map(|port: u16| SocketAddr::new(default.ip(), port)))
        .ok_or_else(|| "expected an address and a port, such as 127.0.0.1:7878".into())
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct View {
    /// Folder of a run of `eyas train` or `eyas distill`, finished or going on
    #[arg(value_name = "RUN_DIR")]
    pub(crate) run: PathBuf,
    /// Address to serve the page at; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = ADDRESS, value_parser = address)]
    pub(crate) web: SocketAddr,
    /// Envs in which the best policy flies side by side
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) num_envs: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_whole_and_in_part() {
        for (text, expected) in [
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("localhost:0", "127.0.0.1:0"),
            ("localhost", "127.0.0.1:7878"),
            ("8000", "127.0.0.1:8000"),
            ("::1", "[::1]:7878"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", "env.x=1", "localhost:", "localhosts", "127.0.0.1:99999", "example.org:80"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
