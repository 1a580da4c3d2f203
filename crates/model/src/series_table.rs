//! Values by series of one KPI. A series is found by its number; its labels are read only if that
//! fails.

use std::collections::BTreeMap;

use crate::ids::Labels;

/// Values by series, in order of first appearance.
///
/// A lookup begins with the [number](Labels::number) that the labels carry. The table has learned
/// where it keeps the series of that number, and compares the labels there. So a lookup is right
/// whatever the number is. It costs one comparison of pointers if the labels are a clone of those
/// in the table.
///
/// One table of a KPI, that of the scoring state, [gives](Self::push_numbered) the numbers. Others
/// may have another order.
#[derive(Debug, Clone)]
pub struct SeriesTable<T> {
    entries: Vec<(Labels, T)>,
    /// Ordered rather than hashed: senders choose the labels, and an unseeded hash invites
    /// collisions.
    index: BTreeMap<Labels, u32>,
    /// The place of the series with a number, or [`UNKNOWN`].
    places: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl<T> Default for SeriesTable<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: BTreeMap::new(), places: Vec::new() }
    }
}

impl<T: PartialEq> PartialEq for SeriesTable<T> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<T> SeriesTable<T> {
    /// How many series there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The place of a series.
    pub fn find(&self, labels: &Labels) -> Option<u32> {
        self.guess(labels).or_else(|| self.index.get(labels).copied())
    }

    /// The place of a series. From now on, these labels and their clones carry it as their number,
    /// and the table keeps them.
    pub fn find_numbered(&mut self, labels: &Labels) -> Option<u32> {
        let place = self.find(labels)?;
        if labels.number() != Some(place) {
            labels.set_number(place);
        }
        self.learn(labels, place);
        Some(place)
    }

    /// Adds a series that is not in the table. From now on, these labels and their clones carry its
    /// place as their number.
    pub fn push_numbered(&mut self, labels: Labels, value: T) -> u32 {
        let place = self.entries.len() as u32;
        labels.set_number(place);
        self.push(labels.clone(), value);
        self.learn(&labels, place);
        place
    }

    /// Keeps the series that `keep` names, in their order, and gives them new numbers.
    pub fn retain_numbered(&mut self, keep: impl Fn(&Labels) -> bool) {
        for (labels, value) in std::mem::take(self).entries {
            if keep(&labels) {
                self.push_numbered(labels, value);
            }
        }
    }

    /// Keeps the series that `keep` names, in their order, without the places of the others.
    pub fn retain(&mut self, mut keep: impl FnMut(&Labels, &mut T) -> bool) {
        let before = std::mem::take(self);
        for (labels, mut value) in before.entries {
            if keep(&labels, &mut value) {
                let place = self.push(labels.clone(), value);
                self.learn(&labels, place);
            }
        }
    }

    /// The value of a series.
    pub fn get(&self, labels: &Labels) -> Option<&T> {
        self.find(labels).map(|place| &self.entries[place as usize].1)
    }

    /// The value of a series, which is added if it is not there.
    pub fn get_or_insert_with(&mut self, labels: &Labels, value: impl FnOnce() -> T) -> &mut T {
        let place = match self.find(labels) {
            Some(place) => place,
            None => self.push(labels.clone(), value()),
        };
        self.learn(labels, place);
        &mut self.entries[place as usize].1
    }

    fn push(&mut self, labels: Labels, value: T) -> u32 {
        let place = self.entries.len() as u32;
        self.index.insert(labels.clone(), place);
        self.entries.push((labels, value));
        place
    }

    fn guess(&self, labels: &Labels) -> Option<u32> {
        let place = *self.places.get(labels.number()? as usize)?;
        self.entries.get(place as usize).is_some_and(|(own, _)| own == labels).then_some(place)
    }

    /// Makes the next lookup of these labels a comparison of pointers.
    fn learn(&mut self, labels: &Labels, place: u32) {
        let own = &mut self.entries[place as usize].0;
        if !own.is_clone_of(labels) {
            *own = labels.clone();
        }
        let Some(number) = labels.number().map(|number| number as usize) else { return };
        if self.places.get(number) == Some(&place) {
            return;
        }
        // A number far beyond the series of this table is no number of it, and costs no memory.
        if number < 2 * self.entries.len() + 1_024 {
            if number >= self.places.len() {
                self.places.resize(number + 1, UNKNOWN);
            }
            self.places[number] = place;
        }
    }

    /// All values with their labels, in order of first appearance.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Labels, &T)> + ExactSizeIterator {
        self.entries.iter().map(|(labels, value)| (labels, value))
    }

    /// All series in order of their labels.
    pub fn by_labels(&self) -> impl Iterator<Item = (&Labels, &T)> {
        self.index.iter().map(|(labels, number)| (labels, &self.entries[*number as usize].1))
    }
}

impl<T> FromIterator<(Labels, T)> for SeriesTable<T> {
    /// The first of several equal labels stays.
    fn from_iter<I: IntoIterator<Item = (Labels, T)>>(all: I) -> Self {
        let mut table = Self::default();
        for (labels, value) in all {
            table.get_or_insert_with(&labels, || value);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        Labels::parse(text).unwrap()
    }

    #[test]
    fn series_are_found_whatever_number_the_labels_carry() {
        let mut table: SeriesTable<u8> = [(labels("b:1"), 1), (labels("a:1"), 2)].into_iter().collect();
        for wrong in [None, Some(0), Some(1), Some(99), Some(u32::MAX - 1)] {
            let (wanted, unknown) = (labels("a:1"), labels("c:1"));
            wrong.inspect(|number| [&wanted, &unknown].iter().for_each(|labels| labels.set_number(*number)));
            for _ in 0..2 {
                assert_eq!((table.find(&wanted), table.find(&unknown)), (Some(1), None), "{wrong:?}");
                assert_eq!(*table.get_or_insert_with(&wanted, || 9), 2);
                assert_eq!(wanted.number(), wrong, "only one table gives numbers");
            }
        }
        assert!(table.places.len() < 2_000);
    }

    #[test]
    fn a_table_gives_numbers_and_another_one_learns_them() {
        let mut giver = SeriesTable::default();
        let mut other: SeriesTable<u8> = ["z:1", "y:1"].map(|text| (labels(text), 0)).into_iter().collect();
        let (y, z) = (labels("y:1"), labels("z:1"));
        assert_eq!((giver.push_numbered(y.clone(), ()), giver.push_numbered(z.clone(), ())), (0, 1));
        for known in [&y, &z] {
            assert_eq!(other.guess(known), None);
            *other.get_or_insert_with(known, || 9) += 1;
            assert_eq!(other.guess(known), other.find(known), "learned");
        }
        assert_eq!(other.iter().map(|(labels, n)| (labels.as_str(), *n)).collect::<Vec<_>>(), [("z:1", 1), ("y:1", 1)]);
        let sent = labels("z:1");
        assert_eq!(giver.find_numbered(&sent), Some(1));
        assert_eq!((sent.number(), giver.guess(&sent)), (Some(1), Some(1)));
        assert!(giver.iter().nth(1).unwrap().0.is_clone_of(&sent));
    }

    #[test]
    fn order_of_appearance_and_order_of_labels_differ() {
        let mut table = SeriesTable::default();
        for text in ["c:1", "a:1", "b:1", "a:1"] {
            *table.get_or_insert_with(&labels(text), || 0) += 1;
        }
        let texts = |all: Vec<(&Labels, &i32)>| all.iter().map(|(l, n)| format!("{l} {n}")).collect::<Vec<_>>();
        assert_eq!(texts(table.iter().collect()), ["c:1 1", "a:1 2", "b:1 1"]);
        assert_eq!(texts(table.by_labels().collect()), ["a:1 2", "b:1 1", "c:1 1"]);
    }

    #[test]
    fn labels_that_two_kpis_share_stay_correct() {
        let (mut a, mut b) = (SeriesTable::default(), SeriesTable::default());
        let shared = labels("x:1");
        b.push_numbered(labels("y:1"), "other");
        a.push_numbered(shared.clone(), "in a");
        b.push_numbered(shared.clone(), "in b");
        for _ in 0..2 {
            assert_eq!((a.find_numbered(&shared), b.find_numbered(&shared)), (Some(0), Some(1)));
            assert_eq!((a.get(&shared), b.get(&shared)), (Some(&"in a"), Some(&"in b")));
        }
    }

    #[test]
    fn kept_series_move_up_and_get_new_numbers() {
        let mut table = SeriesTable::default();
        let all: Vec<Labels> = (0..4).map(|i| labels(&format!("n:{i}"))).collect();
        all.iter().for_each(|labels| {
            table.push_numbered(labels.clone(), ());
        });
        table.retain_numbered(|labels| ![&all[1], &all[3]].contains(&labels));
        assert_eq!(all.iter().map(|labels| table.find(labels)).collect::<Vec<_>>(), [Some(0), None, Some(1), None]);
        assert_eq!((all[0].number(), all[2].number()), (Some(0), Some(1)));
        assert_eq!(table.push_numbered(all[1].clone(), ()), 2);
        assert_eq!((table.find(&all[1]), table.len(), table.by_labels().count()), (Some(2), 3, 3));
    }

    #[test]
    fn kept_series_are_found_after_others_went() {
        let all: Vec<Labels> = (0..4).map(|i| labels(&format!("n:{i}"))).collect();
        let mut numbered = SeriesTable::default();
        all.iter().for_each(|labels| {
            numbered.push_numbered(labels.clone(), ());
        });
        let mut table: SeriesTable<usize> = all.iter().cloned().zip(0..).collect();
        table.retain(|_, value| *value % 2 == 1);
        assert_eq!(
            all.iter().map(|labels| table.get(labels).copied()).collect::<Vec<_>>(),
            [None, Some(1), None, Some(3)]
        );
        *table.get_or_insert_with(&all[0], || 9) += 1;
        assert_eq!((table.len(), table.get(&all[0])), (3, Some(&10)));
    }
}
