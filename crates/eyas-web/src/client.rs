//! One viewer.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use tokio::time::{Instant, sleep_until, timeout};

use crate::hub::{Entry, Told};
use crate::message::Document;

/// From one telling of news to the next: what comes meanwhile is told at once.
const NEWS_INTERVAL: Duration = Duration::from_millis(100);
/// A viewer that takes nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Questions whether a viewer is there that it may leave without an answer.
const MOST_UNANSWERED: u32 = 3;

/// Tells a viewer what is new and takes its requests until it goes, or does not answer when it is asked whether it is
/// there. Browsers answer by themselves.
pub(crate) async fn serve(mut socket: WebSocket, entry: Entry, heartbeat: Duration) {
    let hub = &entry.hub;
    let (mut news, mut poses) = (hub.watch_news(), hub.watch_poses());
    news.mark_changed();
    poses.mark_changed();
    let mut told = Told::default();
    let mut next = Instant::now();
    let (mut next_beat, mut unanswered) = (next + heartbeat, 0);
    loop {
        let outgoing = tokio::select! {
            () = sleep_until(next_beat) => {
                if unanswered == MOST_UNANSWERED {
                    return;
                }
                (next_beat, unanswered) = (Instant::now() + heartbeat, unanswered + 1);
                Some(vec![Message::Ping(Bytes::new())])
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => hub.ask(&text).err().map(|it| vec![refused(&it)]),
                Some(Ok(Message::Binary(_))) => Some(vec![refused("not understood: expected text")]),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    unanswered = 0;
                    None
                }
                // A frame too long or against the protocol ends the connection, as the standard demands.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            changed = async { sleep_until(next).await; news.changed().await } => {
                if changed.is_err() {
                    return;
                }
                next = Instant::now() + NEWS_INTERVAL;
                Some(messages(&hub.tell(&mut told)))
            }
            changed = poses.changed() => {
                if changed.is_err() {
                    return;
                }
                let newest = poses.borrow_and_update().clone();
                (!newest.is_empty()).then(|| vec![Message::Binary(newest)])
            }
        };
        for message in outgoing.into_iter().flatten() {
            if !matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

fn refused(message: &str) -> Message {
    Message::Text(Document::Error { message }.to_json().into())
}

fn messages(news: &crate::hub::News) -> Vec<Message> {
    let mut messages: Vec<Message> =
        news.documents.iter().map(|json| Message::Text(Utf8Bytes::from(&**json))).collect();
    let mut tell = |name: &str, content: serde_json::Value| {
        let message = serde_json::json!({ "type": name, name: content });
        messages.push(Message::Text(message.to_string().into()));
    };
    if !news.curves.is_empty() {
        tell("curves", serde_json::json!(news.curves));
    }
    if !news.lines.is_empty() {
        tell("lines", serde_json::json!(news.lines));
    }
    messages
}
