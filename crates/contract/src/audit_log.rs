//! The contract of every audit log.

use std::sync::Arc;

use earcon_model::OrganisationId;
use earcon_ports::{AuditLine, AuditLog, ErrorKind};
use earcon_tenancy::{AccountsPass, Authorizer};

/// Runs every case against logs from `make`.
pub async fn audit_log(make: impl Fn() -> Arc<dyn AuditLog>) {
    lines_are_appended_in_order_and_never_replaced(&*make()).await;
    ranges_are_read_in_order(&*make()).await;
    organisations_are_apart(&*make()).await;
    of_many_writers_of_one_number_one_succeeds(&make()).await;
}

fn pass() -> AccountsPass {
    Authorizer::new().accounts()
}

/// An organisation that is not in use.
fn fresh() -> OrganisationId {
    let name = format!("c{}", &uuid::Uuid::new_v4().simple().to_string()[..20]);
    OrganisationId::new(&name).expect("the name keeps the rule")
}

fn line(seq: u64) -> AuditLine {
    AuditLine { seq, line: format!("{{\"seq\":{seq},\"text\":\"ü\"}}") }
}

async fn lines_are_appended_in_order_and_never_replaced(log: &dyn AuditLog) {
    let (pass, of) = (pass(), fresh());
    assert_eq!(log.last(&pass, &of).await.unwrap(), None);
    assert!(log.read(&pass, &of, 1, 10).await.unwrap().is_empty());
    assert_eq!(log.append(&pass, &of, 0, "x").await.unwrap_err().kind, ErrorKind::Invalid);
    log.append(&pass, &of, 1, &line(1).line).await.unwrap();
    assert_eq!(log.append(&pass, &of, 1, "x").await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(log.append(&pass, &of, 3, "x").await.unwrap_err().kind, ErrorKind::Invalid, "a gap");
    log.append(&pass, &of, 2, &line(2).line).await.unwrap();
    assert_eq!(log.last(&pass, &of).await.unwrap(), Some(line(2)));
    assert_eq!(log.read(&pass, &of, 1, 10).await.unwrap(), [line(1), line(2)]);
}

async fn ranges_are_read_in_order(log: &dyn AuditLog) {
    let (pass, of) = (pass(), fresh());
    for seq in 1..=12 {
        log.append(&pass, &of, seq, &line(seq).line).await.unwrap();
    }
    let read = async |from, limit| {
        let lines = log.read(&pass, &of, from, limit).await.unwrap();
        lines.into_iter().map(|line| line.seq).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 3).await, [1, 2, 3]);
    assert_eq!(read(9, 2).await, [9, 10]);
    assert_eq!(read(11, 100).await, [11, 12]);
    assert!(read(13, 5).await.is_empty() && read(u64::MAX, 5).await.is_empty() && read(1, 0).await.is_empty());
}

async fn organisations_are_apart(log: &dyn AuditLog) {
    let (pass, one) = (pass(), fresh());
    // The name of one begins with the name of the other.
    let other = OrganisationId::new(&format!("{one}-b")).expect("the name keeps the rule");
    log.append(&pass, &one, 1, "one").await.unwrap();
    log.append(&pass, &other, 1, "other").await.unwrap();
    log.append(&pass, &other, 2, "more").await.unwrap();
    assert_eq!(log.read(&pass, &one, 1, 10).await.unwrap(), [AuditLine { seq: 1, line: "one".to_owned() }]);
    assert_eq!(log.last(&pass, &one).await.unwrap().unwrap().seq, 1);
    assert_eq!(log.last(&pass, &other).await.unwrap().unwrap().line, "more");
}

async fn of_many_writers_of_one_number_one_succeeds(log: &Arc<dyn AuditLog>) {
    let (pass, of) = (pass(), fresh());
    let writers: Vec<_> = (0..8)
        .map(|writer: u8| {
            let (log, pass, of) = (log.clone(), pass.clone(), of.clone());
            tokio::spawn(async move { log.append(&pass, &of, 1, &writer.to_string()).await.map(|()| writer) })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.unwrap() {
            Ok(winner) => winners.push(winner),
            Err(error) => assert_eq!(error.kind, ErrorKind::Conflict),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(log.last(&pass, &of).await.unwrap().unwrap().line, winners[0].to_string());
}
