//! Many equal questions at once, none of them answered before: how often the upstream is asked.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use mesos_dns_sim::bench::{question::query, table::Table};

use crate::rig::{Rig, median};

/// Clients that ask at once.
const CLIENTS: usize = 50;

/// How long the upstream takes, so that all have asked before it answers.
const SLOW: &str = r#"[{"fault": {"delayed": {"by": 0.2}}}]"#;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn measure(rig: &mut Rig, rounds: usize) -> anyhow::Result<()> {
    let forwarders = rig.forwarders()?;
    rig.upstream.rule(SLOW)?;
    let mut table = Table::new(
        format!("{CLIENTS} clients ask for the same name at once, the upstream takes 200 ms"),
        &["forwarder", "asked upstream", "answered"],
    );
    for forwarder in &forwarders {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let before = rig.upstream.asked()?;
            answered.push(ask(forwarder.port, &format!("burst{round}-{}.made.test", forwarder.port))? as f64);
            asked.push((rig.upstream.asked()? - before) as f64);
        }
        table.add(vec![
            forwarder.name.to_owned(),
            format!("{:.0}", median(asked)),
            format!("{:.0}", median(answered)),
        ]);
    }
    rig.upstream.rule("[]")?;
    table.print();
    Ok(())
}

/// Asks from as many sockets as there are clients; tells how many got an address.
fn ask(port: u16, name: &str) -> anyhow::Result<usize> {
    let clients: Vec<UdpSocket> =
        (0..CLIENTS).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let mut query = query(name);
    for (id, client) in clients.iter().enumerate() {
        query[..2].copy_from_slice(&(id as u16).to_be_bytes());
        client.send_to(&query, (Ipv4Addr::LOCALHOST, port))?;
    }
    let mut answered = 0;
    for client in &clients {
        client.set_read_timeout(Some(PATIENCE))?;
        let mut reply = [0; 512];
        if client.recv(&mut reply).is_ok() && reply[3] & 15 == 0 && reply[7] > 0 {
            answered += 1;
        }
    }
    Ok(answered)
}
