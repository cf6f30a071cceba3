//! The forwarder while file descriptors are used up. Apart from the other tests, as it uses up those of its whole
//! process.

use std::{fs::File, time::Duration};

use mesos_dns_core::forward::Transport;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::timeout;

use self::subject::{Subject, query, remembering, silent};

#[path = "forward/liar.rs"]
mod liar;
#[path = "forward/subject.rs"]
mod subject;

#[tokio::test]
async fn what_we_lack_is_not_remembered_of_a_name() {
    let (server, address) = silent().await;
    let subject = Subject::new(remembering(&[address]));
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
    let taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let asked = query("www.example.com", Some(1232));
    let reply = subject.ask(&asked, Transport::Udp).await;
    assert_eq!((reply[3] & 15, &reply[reply.len() - 6..]), (2, &[0, 15, 0, 2, 0, 23][..]));
    drop(taken);
    let answer = async {
        let asked = liar::receive(&server).await;
        server.send_to(&asked.answer(1), asked.from).await.unwrap();
    };
    let (told, ()) = timeout(Duration::from_secs(10), async { tokio::join!(subject.udp(&asked), answer) })
        .await
        .expect("the server is asked at once");
    assert_eq!(told, (0, 1));
}
