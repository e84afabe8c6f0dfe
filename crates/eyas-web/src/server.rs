//! The server and its thread.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request as HttpRequest, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::sync::oneshot;

use crate::doors::{Doors, Limits, Standing};
use crate::hub::{Feed, Hub};
use crate::message::Request;
use crate::{client, guard, page};

/// Viewers at once.
const MOST_VIEWERS: usize = 32;
/// Requests that wait to be carried out.
const MOST_REQUESTS: usize = 64;
/// Largest message of a viewer, bytes.
const LARGEST_MESSAGE: usize = 4096;
/// How long connections may take to close.
const FAREWELL: Duration = Duration::from_millis(200);

/// A running server; it ends when this is dropped.
pub struct LiveView {
    address: SocketAddr,
    feed: Feed,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LiveView {
    /// Listens at an address; port 0 takes a free one. What viewers ask for comes from the receiver.
    ///
    /// # Errors
    ///
    /// Where the address cannot be listened at.
    pub fn start(address: SocketAddr) -> io::Result<(Self, Receiver<Request>)> {
        Self::start_within(address, Limits::default())
    }

    /// As [`start`](Self::start), with other limits.
    ///
    /// # Errors
    ///
    /// Where the address cannot be listened at.
    pub fn start_within(address: SocketAddr, limits: Limits) -> io::Result<(Self, Receiver<Request>)> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (sender, requests) = sync_channel(MOST_REQUESTS);
        let feed = Feed { hub: Arc::new(Hub::new(sender)) };
        let app = router(Shared { hub: Arc::clone(&feed.hub), limits });
        let app = app.into_make_service_with_connect_info::<Standing>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("live view".into()).spawn(move || {
            runtime.block_on(async {
                // Neither fails: the listener is bound, and a broken connection is no error of the server.
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let server = async { axum::serve(Doors::new(listener, limits), app).await };
                tokio::select! { _ = server => {}, _ = stopped => {} }
            });
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok((Self { address, feed, stop: Some(stop), thread: Some(thread) }, requests))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to write what viewers see.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        // The thread may have ended on its own; then there is nobody to tell.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What every request may need.
#[derive(Clone)]
struct Shared {
    hub: Arc<Hub>,
    limits: Limits,
}

fn router(shared: Shared) -> Router {
    let mut router = Router::new().route("/live", get(connect)).with_state(shared);
    for asset in page::ASSETS {
        router = router.route(asset.path, get(|| async { asset.response() }));
    }
    router.layer(from_fn(admit))
}

/// Refuses foreign requests, whatever they ask for.
async fn admit(ConnectInfo(standing): ConnectInfo<Standing>, request: HttpRequest, next: Next) -> Response {
    standing.set_asked();
    match guard::refusal(request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

async fn connect(
    ConnectInfo(standing): ConnectInfo<Standing>,
    upgrade: WebSocketUpgrade,
    State(Shared { hub, limits }): State<Shared>,
) -> Response {
    let Some(entry) = hub.enter(MOST_VIEWERS) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many viewers").into_response();
    };
    standing.set_viewer();
    upgrade
        .max_message_size(LARGEST_MESSAGE)
        .max_frame_size(LARGEST_MESSAGE)
        .on_upgrade(move |socket| client::serve(socket, entry, limits.heartbeat))
}
