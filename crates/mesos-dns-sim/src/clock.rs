//! The one place in here that reads the clock: lets a cluster live in real time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{
    life::{Change, Life},
    master::Masters,
    scenario::{Player, ScenarioError, Told},
};

/// The time now, as everything in here counts it.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Lets the masters' cluster live, and tells each change; ends only where nothing will ever happen.
pub async fn live(masters: &Masters, mut life: Life, mut tell: impl FnMut(&Change)) {
    while let Some(due) = life.next_due() {
        tokio::time::sleep(due.saturating_sub(now())).await;
        let changes = masters.change(|cluster| life.advance(cluster, now()));
        changes.iter().for_each(&mut tell);
    }
}

/// Plays a scenario, and tells each thing that happens; ends where nothing more will.
///
/// # Errors
///
/// A step cannot be performed.
pub async fn play(
    masters: &Masters,
    mut player: Player,
    mut tell: impl FnMut(&Told),
) -> Result<(), ScenarioError> {
    while let Some(due) = player.next_due() {
        tokio::time::sleep(due.saturating_sub(now())).await;
        let told = player.advance(masters, now()).await?;
        told.iter().for_each(&mut tell);
    }
    Ok(())
}
