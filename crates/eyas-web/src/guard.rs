//! Who may talk to the server.
//!
//! A page of another site can make a browser open connections to this machine. Two headers that a page cannot forge tell:
//! `Origin`, the site of the page, must be the one that the request goes to; and `Host` must be an address or
//! `localhost`, since a name that another site owns can be made to point here (DNS rebinding).

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Why a request is refused, if it is.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get_all(name).iter().map(|value| value.to_str().ok());
    let mut hosts = text(header::HOST);
    let (Some(Some(host)), None) = (hosts.next(), hosts.next()) else {
        return Some("a request names one host");
    };
    if !is_this_machine(host) {
        return Some("open the page by its address, such as http://127.0.0.1:7878");
    }
    let is_own = |origin: Option<&str>| {
        origin.and_then(|it| it.strip_prefix("http://")).is_some_and(|it| it.eq_ignore_ascii_case(host))
    };
    if text(header::ORIGIN).all(is_own) { None } else { Some("pages of other sites have no access") }
}

/// Whether a host is an address or `localhost`, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let parts = if let Some(rest) = host.strip_prefix('[') {
        rest.split_once(']').map(|(name, port)| (name, port, true))
    } else {
        let end = host.find(':').unwrap_or(host.len());
        Some((&host[..end], &host[end..], false))
    };
    let Some((name, port, is_bracketed)) = parts else { return false };
    let is_port =
        |digits: &str| digits.parse::<u16>().is_ok() && digits.bytes().all(|it| it.is_ascii_digit());
    let is_name = match name.parse::<IpAddr>() {
        Ok(address) => address.is_ipv6() == is_bracketed,
        Err(_) => !is_bracketed && name.eq_ignore_ascii_case("localhost"),
    };
    is_name && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        refusal(&headers).is_some()
    }

    #[test]
    fn addresses_and_localhost_are_served() {
        for host in ["127.0.0.1:7878", "localhost:7878", "localhost", "[::1]:7878", "192.168.1.5:80"] {
            assert!(!is_refused(host, None), "{host}");
            assert!(!is_refused(host, Some(&format!("http://{host}"))), "{host}");
        }
    }

    #[test]
    fn other_names_and_other_sites_are_refused() {
        for host in [
            "evil.example",
            "evil.example:7878",
            "127.0.0.1.evil.example",
            "",
            "localhost.evil.example",
            "[::1].evil.example",
            "[::1]evil.example:7878",
            "[::1",
            "[localhost]",
            "[127.0.0.1]",
            "127.0.0.1:evil",
            "127.0.0.1:78780",
            "localhost:+80",
        ] {
            assert!(is_refused(host, None), "{host}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:80",
            "http://127.0.0.1:78780",
            "https://127.0.0.1:7878",
            "http://127.0.0.1:7878@evil.example",
        ] {
            assert!(is_refused("127.0.0.1:7878", Some(origin)), "{origin}");
        }
        assert!(refusal(&HeaderMap::new()).is_some());
    }
}
