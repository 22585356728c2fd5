//! Clients that want a seat for themselves.

use super::*;

#[tokio::test]
async fn who_drips_a_request_holds_no_seat_by_it() {
    let wait = Duration::from_millis(500);
    let server = start(Config { head_timeout: NEVER, seat_wait: wait, connections_max: 1, ..config() }).await;
    let mut dripping = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    dripping.write_all(b"GET /healthz HTTP/1.1\r\nX: ").await.unwrap();
    let drip = async {
        // Far oftener than a seat may be asked for, until it is cut off.
        while dripping.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answer = async { tokio::time::timeout(Duration::from_secs(5), server.get("/healthz")).await };
    let (answer, ()) = tokio::join!(answer, async { drop(tokio::time::timeout(Duration::from_secs(5), drip).await) });
    assert_eq!(answer.expect("it is answered while the other drips").0, 200);
    server.end().await;
}

/// Whoever keeps asking, or keeps a body back, has had its turn after a while.
#[tokio::test]
async fn who_never_stops_asking_gives_up_its_seat() {
    let wait = Duration::from_millis(100);
    let patient = Config { head_timeout: NEVER, seat_wait: wait, connections_max: 1, ..config() };
    let server = start(patient).await;
    let asks: [&[u8]; 2] = [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    ];
    for ask in asks {
        let mut greedy = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
        let mut answer = [0; 4_096];
        let keeps_on = async {
            while greedy.write_all(ask).await.is_ok() {
                match tokio::time::timeout(wait / 4, greedy.read(&mut answer)).await {
                    Ok(Ok(0) | Err(_)) => return,
                    _ => tokio::time::sleep(wait / 10).await,
                }
            }
        };
        let answer = async { tokio::time::timeout(Duration::from_secs(20), server.get("/healthz")).await };
        let (answer, _) = tokio::join!(answer, tokio::time::timeout(Duration::from_secs(20), keeps_on));
        assert_eq!(answer.expect("another is answered").0, 200);
    }
    server.end().await;
}
