//! What every answer carries: tags, types, compression, links to the next page.

use super::*;

/// Status, headers in lower case, body; asked by hand, for a client library would hide some of it.
async fn raw(server: &Server, head: &str) -> (u16, String, Vec<u8>) {
    let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    client.write_all(format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    (headers[9..12].parse().unwrap(), headers, answer[end + 4..].to_vec())
}

#[tokio::test]
async fn every_answer_is_tagged_readable_from_elsewhere_and_of_the_type_asked_for() {
    let server = start(config()).await;
    let (status, headers, _) = raw(&server, "GET /v1/indicators HTTP/1.1\r\nOrigin: https://example.org").await;
    assert_eq!(status, 200);
    for header in ["access-control-allow-origin: *", "x-content-type-options: nosniff", "cache-control: no-cache"] {
        assert!(headers.contains(header), "{headers}");
    }
    let tag = headers.split("etag: w/").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    for (asked, status) in [
        ("GET /v1/indicators HTTP/1.1\r\nIf-None-Match: TAG", 304),
        ("GET /v1/indicators HTTP/1.1\r\nIf-None-Match: \"other\", TAG", 304),
        ("GET /v1/indicators HTTP/1.1\r\nIf-None-Match: \"other\"", 200),
        ("GET /v1/indicators?as_of=2026-01-01 HTTP/1.1\r\nIf-None-Match: TAG", 200),
        ("HEAD /v1/indicators HTTP/1.1", 200),
        ("GET /v1/indicators HTTP/1.1\r\nAccept: application/json", 200),
        ("GET /v1/indicators HTTP/1.1\r\nAccept: text/csv", 406),
        ("GET /v1/indicators.csv HTTP/1.1\r\nAccept: text/csv", 200),
        ("OPTIONS /v1/indicators HTTP/1.1\r\nOrigin: https://example.org\r\nAccess-Control-Request-Method: GET", 200),
        ("POST /v1/indicators HTTP/1.1\r\nContent-Length: 0", 405),
    ] {
        let (got, headers, _) = raw(&server, &asked.replace("TAG", &format!("W/{tag}"))).await;
        assert_eq!(got, status, "{asked}: {headers}");
        assert_eq!(headers.contains("problem+json"), status >= 400, "{asked}: {headers}");
        assert!(status != 405 || headers.contains("\nallow: get,head"), "{asked}: {headers}");
    }
    let long = format!("GET /v1/indicators?as_of={} HTTP/1.1", "1".repeat(9_000));
    assert_eq!(raw(&server, &long).await.0, 414);
    let (_, plain_headers, plain) = raw(&server, "GET /openapi.json HTTP/1.1").await;
    let (_, headers, packed) = raw(&server, "GET /openapi.json HTTP/1.1\r\nAccept-Encoding: gzip").await;
    let tag = |headers: &str| headers.split("etag: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    assert!(headers.contains("content-encoding: gzip") && tag(&headers) == tag(&plain_headers), "{headers}");
    assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
    server.end().await;
}

#[tokio::test]
async fn a_page_names_the_next_one_and_a_table_has_its_columns() {
    let server = start(config()).await;
    let (_, headers, body) = raw(&server, "GET /v1/entries.csv?limit=7&order=desc&bom=1 HTTP/1.1").await;
    assert!(headers.contains("link: <?from=7&limit=7&order=desc>; rel=\"next\""), "{headers}");
    assert!(body.starts_with("\u{feff}index,recorded,".as_bytes()), "{}", String::from_utf8_lossy(&body));
    assert_eq!(raw(&server, "GET /v1/entries.csv?bom=yes HTTP/1.1").await.0, 400);
    assert_eq!(raw(&server, "GET /v1/entries?bom=1 HTTP/1.1").await.0, 400);
    let (_, _, body) = raw(&server, "GET /v1/indicators.csv HTTP/1.1").await;
    assert!(body.starts_with(b"id,row,area,"), "{}", String::from_utf8_lossy(&body));
    server.end().await;
}

#[tokio::test]
async fn what_waits_for_clients_who_do_not_read_is_bounded() {
    let server = start(Config { waiting_bytes: 2 * LARGE, write_stall: NEVER, seat_wait: NEVER, ..config() }).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
        client.write_all(b"GET /log/tile/entries/000 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        // Its answer has begun: what is left of it waits.
        client.readable().await.unwrap();
        unread.push(client);
    }
    let (status, headers, body) = raw(&server, "GET /log/tile/entries/000 HTTP/1.1").await;
    assert_eq!(status, 503, "{headers}");
    assert!(headers.contains("retry-after: ") && String::from_utf8_lossy(&body).contains("\"busy\""), "{headers}");
    // What is small is answered all the same, and a large one again once the others were read or are gone.
    assert_eq!(raw(&server, "GET /healthz HTTP/1.1").await.0, 200);
    unread.pop();
    let mut first = unread.pop().unwrap();
    let mut read = 0;
    let mut buffer = vec![0; 64 * 1024];
    while read < LARGE {
        read += first.read(&mut buffer).await.unwrap();
    }
    let mut status = 503;
    while status == 503 {
        status = raw(&server, "GET /log/tile/entries/000 HTTP/1.1").await.0;
    }
    assert_eq!(status, 200);
    server.end().await;
}

/// However many ask for the past, and leave, the present is told.
#[tokio::test]
async fn reads_of_the_past_have_places_of_their_own() {
    let server = start(config()).await;
    let (holding, held) = std::sync::mpsc::channel();
    let (releasing, released) = std::sync::mpsc::channel::<()>();
    let fake = server.fake.clone();
    let holder = std::thread::spawn(move || {
        let _past = fake.past.lock().unwrap();
        holding.send(()).unwrap();
        let _ = released.recv();
    });
    held.recv().unwrap();
    let past = "GET /v1/indicators/ev-chargers?as_of=2026-06-30 HTTP/1.1\r\nHost: x\r\n\r\n";
    let address = server.base.trim_start_matches("http://");
    let mut unread = Vec::new();
    for _ in 0..2 * std::thread::available_parallelism().unwrap().get() {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(past.as_bytes()).await.unwrap();
        unread.push(client);
    }
    for path in ["/v1/indicators/ev-chargers?as_of=2026-06-30", "/indicators/ev-chargers?as_of=2026-06-30"] {
        let (status, _, body) = server.get(path).await;
        assert_eq!(status, 503, "{path}: {body}");
    }
    for path in ["/v1/indicators/ev-chargers", "/v1/indicators", "/indicators/ev-chargers"] {
        assert_eq!(server.get(path).await.0, 200, "{path}");
    }
    drop(releasing);
    holder.join().unwrap();
    for client in &mut unread {
        let mut head = [0; 15];
        client.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
    }
    assert_eq!(server.get("/v1/indicators/ev-chargers?as_of=2026-06-30").await.0, 200);
    server.end().await;
}

#[tokio::test]
async fn people_get_a_page_where_nothing_is_and_programs_a_problem() {
    let server = start(config()).await;
    let (status, headers, body) =
        raw(&server, "GET /nothing/%3Cb%3E?lang=ko HTTP/1.1\r\nAccept: text/html,*/*;q=0.8").await;
    let text = String::from_utf8(body).unwrap();
    assert!(
        status == 404 && headers.contains("text/html") && text.contains("lang=\"ko\""),
        "{status} {headers} {text}"
    );
    assert!(text.contains("/nothing/") && !text.contains("<b>"), "{text}");
    for head in ["GET /nothing/here HTTP/1.1", "GET /v1/nothing HTTP/1.1\r\nAccept: text/html"] {
        let (status, headers, _) = raw(&server, head).await;
        assert!(status == 404 && headers.contains("problem+json"), "{status} {headers}");
    }
    server.end().await;
}
