//! An API server that answers by a script and remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// A request, as far as tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) what: String,
    /// Query, decoded no further.
    pub(crate) query: String,
    /// Content type.
    pub(crate) content_type: String,
    /// Body; null when there is none.
    pub(crate) body: Value,
}

/// What the server does about it.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Answers with this status code and object.
    Json(u16, Value),
    /// Streams these events of a watch, then ends it.
    Events(Vec<Value>),
    /// Never answers.
    Silence,
}

/// What was asked so far.
pub(crate) type Log = Arc<Mutex<Vec<Asked>>>;

/// A failure as the API server words it.
pub(crate) fn failure(code: u16) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": "Scripted", "message": format!("scripted {code}"), "code": code,
    });
    Answer::Json(code, status)
}

/// A cluster whose API server answers as `answer` says.
pub(crate) fn scripted(answer: impl FnMut(&Asked) -> Answer + Send + 'static) -> (Cluster, Log) {
    let (log, answer) = (Log::default(), Arc::new(Mutex::new(answer)));
    let seen = log.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (seen, answer) = (seen.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let asked = Asked {
                what: format!("{} {}", head.method, head.uri.path()),
                query: head.uri.query().unwrap_or_default().to_owned(),
                content_type: head
                    .headers
                    .get(http::header::CONTENT_TYPE)
                    .map(|of| of.to_str().unwrap().to_owned())
                    .unwrap_or_default(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let answer = (*answer.lock().unwrap())(&asked);
            seen.lock().unwrap().push(asked);
            let (code, bytes) = match answer {
                Answer::Json(code, object) => (code, object.to_string()),
                Answer::Events(events) => (200, events.iter().map(|event| format!("{event}\n")).collect()),
                Answer::Silence => std::future::pending().await,
            };
            Ok::<_, Infallible>(http::Response::builder().status(code).body(Body::from(bytes.into_bytes())).unwrap())
        }
    });
    (Cluster { client: Client::new(service, "default"), request_timeout: Duration::from_millis(500) }, log)
}

/// A cluster whose API server gives these answers in turn, and then none.
pub(crate) fn in_turn(answers: impl IntoIterator<Item = Answer>) -> (Cluster, Log) {
    let mut answers: VecDeque<Answer> = answers.into_iter().collect();
    scripted(move |_| answers.pop_front().unwrap_or(Answer::Silence))
}
