//! Tests the book's echo server as its readers start it: it answers, can be watched, and shuts down in order.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::program::Place;
use serde_json::Value;

fn say(stream: &mut TcpStream, words: &str) -> String {
    stream.write_all(words.as_bytes()).expect("the server takes it");
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    String::from_utf8(answer).expect("what was sent was text")
}

fn tags(summary: &Value) -> Vec<&str> {
    let tags = summary["tasks"]["by_tag"].as_array().expect("a summary lists tags");
    tags.iter().filter_map(|tag| tag["tag"].as_str()).collect()
}

/// Sets the flag when dropped, even by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_echo_server_answers_while_watched_and_shuts_down() {
    let place = Place::new();
    let (mut server, mut lines, address) = place.echo_server();

    let mut streams: Vec<_> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        let words = format!("hello from {number}");
        assert_eq!(say(stream, &words), words);
    }
    let over = AtomicBool::new(false);
    let watched: Value = std::thread::scope(|scope| {
        // The watched server stays busy: connected clients talk, and others come and go.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(say(&mut streams[0], "ping"), "ping");
                assert_eq!(say(&mut TcpStream::connect(&address).unwrap(), "a guest"), "a guest");
                // At full speed, the clients would fill the ring while the watching process waits for a processor.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let _over = Over(&over);
        place.watch_until(&server, "both to be seen at work", |seen| {
            ["connection", "listener"].iter().all(|tag| tags(seen).contains(tag))
        })
    });
    assert_eq!((&watched["source"]["policy"], &watched["lost_records"]), (&"bun".into(), &0.into()));
    let tags = tags(&watched);
    assert!(tags.contains(&"connection") && tags.contains(&"listener"), "{tags:?}");

    assert_eq!(say(&mut streams[0], "still there?"), "still there?");
    server.signal("TERM");
    for stream in &mut streams {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "a shutdown ends a connection between two answers");
    }
    let report = lines.next().unwrap().unwrap();
    assert!(report.starts_with("shut down in ") && report.ends_with(" finished, 0 cancelled"), "{report}");
    assert!(server.wait().success());
    assert!(TcpStream::connect(&address).is_err());
}
