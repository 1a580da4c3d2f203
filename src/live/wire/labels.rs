//! Labels as a JSON object.

use std::collections::BTreeMap;

use earcon_model::Labels;

/// Labels as a map, in key order.
pub(super) type LabelMap<'a> = BTreeMap<&'a str, &'a str>;

/// Labels as a JSON object.
pub fn label_map(labels: &Labels) -> LabelMap<'_> {
    labels.pairs().collect()
}
