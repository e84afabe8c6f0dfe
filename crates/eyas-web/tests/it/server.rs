//! The server refuses foreigners, survives nonsense, and holds nobody up.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use eyas_web::{Control, Limits, LiveView, Poses, Request, Scene, VehiclePose};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

type Viewer = WebSocket<TcpStream>;

/// Longer than any answer takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

fn start() -> (LiveView, Receiver<Request>) {
    let (view, requests) = LiveView::start(([127, 0, 0, 1], 0).into()).unwrap();
    let control = Control {
        name: "force".into(),
        label: "Wind".into(),
        unit: "%".into(),
        min: 0.0,
        max: 100.0,
        step: 1.0,
        neutral: 0.0,
    };
    view.feed().scene(Scene { activity: "test".into(), controls: vec![control], ..Scene::default() });
    (view, requests)
}

/// A connection as a page of `origin` would open it.
fn connect(address: SocketAddr, origin: &str) -> Result<Viewer, tungstenite::http::StatusCode> {
    let mut request = format!("ws://{address}/live").into_client_request().unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match tungstenite::client(request, stream) {
        Ok((viewer, _)) => Ok(viewer),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status())
        }
        Err(error) => panic!("{error}"),
    }
}

fn viewer(view: &LiveView) -> Viewer {
    connect(view.address(), &format!("http://{}", view.address())).unwrap()
}

/// The next text that holds `part`.
fn text_with(viewer: &mut Viewer, part: &str) -> String {
    loop {
        if let Message::Text(text) = viewer.read().unwrap()
            && text.contains(part)
        {
            return text.to_string();
        }
    }
}

/// Answer to a request as it goes over the wire.
fn get(address: SocketAddr, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_page_is_served_and_may_load_nothing_from_elsewhere() {
    let (view, _requests) = start();
    let host = view.address().to_string();
    let page = get(view.address(), "/", &host);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("default-src 'none'") && page.contains("frame-ancestors 'none'"), "{page}");
    assert!(page.contains("<title>Eyas live view</title>"));
    for path in ["/index.js", "/index.css"] {
        assert!(get(view.address(), path, &host).starts_with("HTTP/1.1 200"), "{path}");
    }
    for path in ["/../Cargo.toml", "/etc/passwd", "/index.html"] {
        assert!(get(view.address(), path, &host).starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[test]
fn a_name_that_points_here_is_refused() {
    let (view, _requests) = start();
    let answer = get(view.address(), "/", "evil.example");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn a_page_of_another_site_gets_no_connection() {
    let (view, _requests) = start();
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(connect(view.address(), origin).err().map(|it| it.as_u16()), Some(403), "{origin}");
    }
    assert_eq!(view.feed().num_viewers(), 0);
}

#[test]
fn what_is_no_request_is_answered_by_an_error_and_the_next_is_heard() {
    let (view, requests) = start();
    let mut viewer = viewer(&view);
    let nonsense =
        ["", "{", "null", "[[[[", r#"{"type":"set","control":"force","value":101}"#, "\u{0}\u{ffff}"];
    for text in nonsense {
        viewer.send(Message::text(text)).unwrap();
        text_with(&mut viewer, r#""type":"error""#);
    }
    viewer.send(Message::binary(vec![0xff; 100])).unwrap();
    text_with(&mut viewer, "expected text");
    viewer.send(Message::text(r#"{"type":"set","control":"force","value":7}"#)).unwrap();
    let heard = requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(heard, Request::Set { control: "force".into(), value: 7.0 });
}

#[test]
fn a_message_too_long_ends_its_connection_and_no_other() {
    let (view, requests) = start();
    let (mut bad, mut good) = (viewer(&view), viewer(&view));
    bad.send(Message::text("x".repeat(100_000))).unwrap();
    let ends = Instant::now() + PATIENCE;
    while bad.read().is_ok() {
        assert!(Instant::now() < ends, "the connection must end");
    }
    good.send(Message::text(r#"{"type":"set","control":"force","value":1}"#)).unwrap();
    assert!(requests.recv_timeout(PATIENCE).is_ok());
}

#[test]
fn requests_that_nobody_carries_out_are_refused_at_last() {
    let (view, _requests) = start();
    let mut viewer = viewer(&view);
    for _ in 0..100 {
        viewer.send(Message::text(r#"{"type":"set","control":"force","value":1}"#)).unwrap();
    }
    text_with(&mut viewer, "busy");
}

#[test]
fn a_viewer_who_reads_nothing_holds_nobody_up_and_the_others_see_the_newest() {
    let (view, _requests) = start();
    let feed = view.feed();
    let _sleeper = viewer(&view);
    let mut poses = Poses { vehicles: vec![VehiclePose::default(); 1000], ..Poses::default() };
    let clock = Instant::now();
    // 40 kB each: far more than what the connection buffers.
    for step in 1..=2000 {
        poses.time_s = f64::from(step);
        feed.poses(&poses);
        feed.scalar("loss", step as u64, 0.5);
        feed.line("a line");
    }
    assert!(clock.elapsed() < PATIENCE, "feeding took {:?}", clock.elapsed());
    let mut late = viewer(&view);
    let newest = loop {
        if let Message::Binary(bytes) = late.read().unwrap() {
            break f64::from_le_bytes(*bytes.first_chunk().unwrap());
        }
    };
    assert!((newest - 2000.0).abs() < 1e-9, "{newest}");
}

#[test]
fn a_new_viewer_is_told_all_that_there_is_and_then_only_what_is_new() {
    let (view, _requests) = start();
    let feed = view.feed();
    feed.scalar("training/loss", 0, 0.5);
    feed.scalar("training/loss", 1, f64::NAN);
    feed.line("the first line");
    feed.text("env.yaml", "num_envs: 4");
    let mut viewer = viewer(&view);
    text_with(&mut viewer, r#""type":"scene""#);
    text_with(&mut viewer, "num_envs: 4");
    let curves = text_with(&mut viewer, r#""type":"curves""#);
    assert!(curves.contains(r#""steps":[0.0,1.0]"#) && curves.contains(r#""values":[0.5,null]"#), "{curves}");
    text_with(&mut viewer, "the first line");
    feed.scalar("training/loss", 2, 0.25);
    let curves = text_with(&mut viewer, r#""type":"curves""#);
    assert!(curves.contains(r#""steps":[2.0]"#), "{curves}");
}

#[test]
fn viewers_are_counted_and_not_without_end() {
    let (view, _requests) = start();
    let viewers: Vec<Viewer> = (0..32).map(|_| viewer(&view)).collect();
    assert_eq!(view.feed().num_viewers(), 32);
    let own = format!("http://{}", view.address());
    assert_eq!(connect(view.address(), &own).err().map(|it| it.as_u16()), Some(503));
    drop(viewers);
    let ends = Instant::now() + PATIENCE;
    while view.feed().num_viewers() > 0 {
        assert!(Instant::now() < ends, "viewers that have gone are still counted");
        std::thread::yield_now();
    }
}

#[test]
fn the_server_ends_with_its_handle() {
    let (view, _requests) = start();
    let _viewer = viewer(&view);
    let address = view.address();
    let clock = Instant::now();
    drop(view);
    assert!(clock.elapsed() < PATIENCE);
    assert!(TcpStream::connect(address).is_err());
}

/// Whether a connection is closed by the server.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        // Closed with something unread.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

const SHORT: Limits = Limits {
    connections: 4,
    first_request: Duration::from_millis(200),
    silence: Duration::from_millis(200),
    heartbeat: Duration::from_millis(100),
};

/// A thousand connections that said nothing used to take the descriptors that a training writes with.
#[test]
fn connections_that_say_nothing_are_limited_and_closed() {
    let (view, _requests) = LiveView::start_within(([127, 0, 0, 1], 0).into(), SHORT).unwrap();
    let mut silent: Vec<TcpStream> = (0..64).map(|_| TcpStream::connect(view.address()).unwrap()).collect();
    for stream in &mut silent {
        assert!(is_closed(stream));
    }
    let mut never_ends = TcpStream::connect(view.address()).unwrap();
    never_ends.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert!(is_closed(&mut never_ends), "half a request is none");
    let host = view.address().to_string();
    assert!(get(view.address(), "/", &host).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_viewer_who_does_not_answer_is_taken_for_gone_and_one_who_answers_stays() {
    let (view, _requests) = LiveView::start_within(([127, 0, 0, 1], 0).into(), SHORT).unwrap();
    let mut silent = viewer(&view);
    let mut alive = viewer(&view);
    // Reading is answering: the library does as browsers do. Six questions are two more than a silent viewer is asked.
    let mut questions = 0;
    while questions < 6 {
        questions += u32::from(matches!(alive.read().unwrap(), Message::Ping(_)));
    }
    let stream = silent.get_mut();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).is_ok(), "its connection ends");
    view.feed().line("still here");
    assert!(text_with(&mut alive, "still here").contains("still here"));
}
