//! A NATS client that sends any bytes: for messages that no honest client can make. Speaks the protocol by hand.
//!
//! Never used where a real client would do.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Bytes that come as they may.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| u8::try_from(self.next() & 0xFF).unwrap()).collect()
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// A message of any bytes; header lines end without CR LF.
pub struct Message {
    pub subject: Vec<u8>,
    pub headers: Vec<Vec<u8>>,
    pub body: Vec<u8>,
}

/// One connection.
pub struct Wire {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
    inbox: String,
    answers: VecDeque<(String, Vec<u8>)>,
    out: Vec<u8>,
}

impl Wire {
    /// Connects with an NKey seed; `inbox` is the prefix of its inboxes.
    pub fn connect(url: &str, seed: &str, inbox: &str) -> Wire {
        let stream = TcpStream::connect(url.strip_prefix("nats://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let info: Value = serde_json::from_str(line.strip_prefix("INFO ").unwrap()).unwrap();
        let pair = nkeys::KeyPair::from_seed(seed).unwrap();
        let signed = pair.sign(info["nonce"].as_str().unwrap().as_bytes()).unwrap();
        let hello = json!({ "verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1,
            "lang": "hand", "version": "1", "nkey": pair.public_key(), "sig": URL_SAFE_NO_PAD.encode(signed) });
        let inbox = format!("{inbox}.{}", uuid::Uuid::new_v4().simple());
        let mut wire = Wire { stream, reader, inbox, answers: VecDeque::new(), out: Vec::new() };
        wire.out.extend(format!("CONNECT {hello}\r\nSUB {}.* 1\r\n", wire.inbox).as_bytes());
        wire.flush();
        wire.settle();
        wire
    }

    /// Queues a message; `answer` names where its acknowledgement is to come.
    pub fn publish(&mut self, message: &Message, batch: &str, answer: Option<&str>) {
        let mut head = b"NATS/1.0\r\n".to_vec();
        head.extend(batch.as_bytes());
        for line in &message.headers {
            head.extend(line);
            head.extend(b"\r\n");
        }
        head.extend(b"\r\n");
        self.out.extend(b"HPUB ");
        self.out.extend(&message.subject);
        if let Some(answer) = answer {
            self.out.extend(format!(" {}.{answer}", self.inbox).as_bytes());
        }
        self.out.extend(format!(" {} {}\r\n", head.len(), head.len() + message.body.len()).as_bytes());
        self.out.extend(head);
        self.out.extend(&message.body);
        self.out.extend(b"\r\n");
    }

    /// Sends what is queued.
    pub fn flush(&mut self) {
        let out = std::mem::take(&mut self.out);
        self.stream.write_all(&out).unwrap();
    }

    /// The answer under this name; others that come before it are dropped.
    pub fn answer(&mut self, name: &str) -> Vec<u8> {
        loop {
            while let Some((subject, body)) = self.answers.pop_front() {
                if subject.strip_prefix(self.inbox.as_str()).and_then(|rest| rest.strip_prefix('.')) == Some(name) {
                    return body;
                }
            }
            self.read_one();
        }
    }

    /// Waits until the server has read everything sent.
    pub fn settle(&mut self) {
        self.out.extend(b"PING\r\n");
        self.flush();
        while self.read_one() != "PONG" {}
    }

    /// Messages as one atomic batch; how many the stream took.
    pub fn batch(&mut self, id: &str, messages: &[Message]) -> Result<usize, Value> {
        for (at, message) in (1..).zip(messages) {
            let mut lines = format!("Nats-Batch-Id: {id}\r\nNats-Batch-Sequence: {at}\r\n");
            let last = at == messages.len();
            if last {
                lines.push_str("Nats-Batch-Commit: 1\r\n");
            }
            self.publish(message, &lines, last.then_some(id));
        }
        self.flush();
        let told: Value = serde_json::from_slice(&self.answer(id)).unwrap();
        match told["count"].as_u64() {
            Some(count) => Ok(usize::try_from(count).unwrap()),
            None => Err(told),
        }
    }

    /// Reads one protocol line and what belongs to it; tells the verb.
    fn read_one(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let verb = words.first().expect("the server closed the connection").to_string();
        match verb.as_str() {
            "PING" => self.stream.write_all(b"PONG\r\n").unwrap(),
            "MSG" | "HMSG" => {
                let total: usize = words.last().unwrap().parse().unwrap();
                let head: usize = if verb == "HMSG" { words[words.len() - 2].parse().unwrap() } else { 0 };
                let mut body = vec![0; total + 2];
                self.reader.read_exact(&mut body).unwrap();
                self.answers.push_back((words[1].to_owned(), body[head..total].to_vec()));
            }
            "-ERR" => panic!("{line}"),
            _ => {}
        }
        verb
    }
}
