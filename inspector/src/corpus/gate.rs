//! temporary

use loop_traces::analysis::condition::Condition;
use loop_traces::summary::Summary;
use serde::Deserialize;

/// temporary
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    metric: String,
    max: toml::Value,
}

impl Gate {
    pub(super) fn broken(&self, summary: &Summary) -> Option<String> {
        let max = match &self.max {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let condition: Condition = format!("{} <= {max}", self.metric).parse().expect("a gate");
        (condition.holds(summary) != Some(true))
            .then(|| format!("{condition} fails: {:?}", condition.metric.of(summary).map(|v| v.number)))
    }
}
