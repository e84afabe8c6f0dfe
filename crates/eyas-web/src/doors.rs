//! How many connections there are at once, and for how long they may be silent.
//!
//! The server shares its descriptors with a run that opens files: connections that come and say nothing must not take them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is closed as it comes. At least 1.
    pub connections: usize,
    /// From the start of a connection to the end of its first request.
    pub first_request: Duration,
    /// For how long a connection that asked before may be silent.
    pub silence: Duration,
    /// From question to question whether a viewer is still there. One that has answered none of three has gone.
    pub heartbeat: Duration,
}

impl Default for Limits {
    /// Far below the 1024 descriptors that a process has by default, and above what 32 viewers and their pages take.
    fn default() -> Self {
        Self {
            connections: 128,
            first_request: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// Lets connections in while there is room.
pub(crate) struct Doors {
    listener: TcpListener,
    room: Arc<Semaphore>,
    limits: Limits,
}

impl Doors {
    pub(crate) fn new(listener: TcpListener, limits: Limits) -> Self {
        Self { listener, room: Arc::new(Semaphore::new(limits.connections)), limits }
    }
}

impl Listener for Doors {
    type Io = Guest;
    type Addr = Standing;

    async fn accept(&mut self) -> (Guest, Standing) {
        loop {
            // Its own `accept` waits where the process has no descriptor left.
            let (stream, _): (TcpStream, SocketAddr) = Listener::accept(&mut self.listener).await;
            if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
                let standing = Standing::default();
                let patience = Box::pin(sleep(self.limits.first_request));
                let guest = Guest {
                    stream,
                    standing: standing.clone(),
                    patience,
                    silence: self.limits.silence,
                    _permit: permit,
                };
                return (guest, standing);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Standing> {
        Ok(Standing::default())
    }
}

/// What a connection has become.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(Arc<[AtomicBool; 2]>);

impl Standing {
    /// It has sent a whole request.
    pub(crate) fn set_asked(&self) {
        self.0[0].store(true, Ordering::Relaxed);
    }

    fn has_asked(&self) -> bool {
        self.0[0].load(Ordering::Relaxed)
    }

    /// It looks from now on, and is asked whether it still does.
    pub(crate) fn set_viewer(&self) {
        self.0[1].store(true, Ordering::Relaxed);
    }

    fn is_viewer(&self) -> bool {
        self.0[1].load(Ordering::Relaxed)
    }
}

impl Connected<IncomingStream<'_, Doors>> for Standing {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection whose reads end in an error when it has been silent for too long.
pub(crate) struct Guest {
    stream: TcpStream,
    standing: Standing,
    patience: Pin<Box<Sleep>>,
    silence: Duration,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if Pin::new(&mut self.stream).poll_read(context, buffer)?.is_ready() {
            // Bytes of a first request do not prolong it, or one could send it for ever.
            if self.standing.has_asked() {
                let until = Instant::now() + self.silence;
                self.patience.as_mut().reset(until);
            }
            return Poll::Ready(Ok(()));
        }
        if self.standing.is_viewer() {
            return Poll::Pending;
        }
        ready!(self.patience.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
