//! Rules that make groups of an issuer into roles. One group may give roles in several
//! organisations, and several groups may give roles in one.

use earcon_model::OrganisationId;
use serde::{Deserialize, Serialize};

use crate::membership::{Grant, MOST_GRANTS, MembershipError, Reach, Source};
use crate::role::Role;

/// Most rules of one issuer.
pub const MOST_RULES: usize = 500;
/// Most groups of one user that are looked at.
pub const MOST_GROUPS: usize = 2_000;
/// Longest name of a group, bytes.
const MOST_GROUP_BYTES: usize = 512;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The group, byte for byte as the issuer writes it. No patterns: a new group at the issuer
    /// must not become a role here by its name.
    pub group: Box<str>,
    /// The organisation.
    pub organisation: OrganisationId,
    /// The role there.
    pub role: Role,
    /// The workspaces.
    pub reach: Reach,
}

/// The rules of one issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mapping(Vec<Rule>);

/// Why rules are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Too many rules.
    #[error("an issuer has at most {MOST_RULES} rules, not {0}")]
    TooMany(usize),
    /// A group has no name or a very long one.
    #[error("rule {0}: a group has a name of 1 to {MOST_GROUP_BYTES} bytes")]
    Group(usize),
    /// The role or the workspaces break a rule.
    #[error("rule {0}: {1}")]
    Grant(usize, MembershipError),
    /// The issuer names more groups than are looked at. Nothing is cut: the sign-in fails.
    #[error("the issuer names {0} groups; at most {MOST_GROUPS} are looked at")]
    TooManyGroups(usize),
    /// The groups of a user give too many roles in one organisation.
    #[error("the groups of this user give more than {MOST_GRANTS} roles in {0}")]
    TooManyGrants(OrganisationId),
}

/// The roles of a user by their groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapped {
    /// The grants by organisation, in the order of their identifiers.
    pub grants: Vec<(OrganisationId, Vec<Grant>)>,
    /// Groups that no rule names. For the person who writes the rules.
    pub without_rule: Vec<String>,
}

impl Mapping {
    /// Checks rules.
    ///
    /// # Errors
    /// [`MappingError`], with the number of the rule from 1.
    pub fn new(rules: Vec<Rule>) -> Result<Self, MappingError> {
        if rules.len() > MOST_RULES {
            return Err(MappingError::TooMany(rules.len()));
        }
        let checked = rules.into_iter().enumerate().map(|(at, rule)| {
            if !(1..=MOST_GROUP_BYTES).contains(&rule.group.len()) {
                return Err(MappingError::Group(at + 1));
            }
            let grant = grant(&rule).checked(&rule.organisation).map_err(|error| MappingError::Grant(at + 1, error))?;
            Ok(Rule { reach: grant.reach, ..rule })
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// The roles of a user with these groups. A role that another one of the same user includes is
    /// left out.
    ///
    /// # Errors
    /// [`MappingError::TooManyGroups`] and [`MappingError::TooManyGrants`].
    pub fn apply(&self, groups: &[String]) -> Result<Mapped, MappingError> {
        if groups.len() > MOST_GROUPS {
            return Err(MappingError::TooManyGroups(groups.len()));
        }
        let mut mapped = Mapped::default();
        for group in groups {
            let mut rules = self.0.iter().filter(|rule| *rule.group == **group).peekable();
            if rules.peek().is_none() && !mapped.without_rule.contains(group) {
                mapped.without_rule.push(group.clone());
            }
            for rule in rules {
                let at = mapped.grants.binary_search_by(|(organisation, _)| organisation.cmp(&rule.organisation));
                let at = at.unwrap_or_else(|at| {
                    mapped.grants.insert(at, (rule.organisation.clone(), Vec::new()));
                    at
                });
                add(&mut mapped.grants[at].1, grant(rule));
            }
        }
        match mapped.grants.iter().find(|(_, grants)| grants.len() > MOST_GRANTS - 1) {
            Some((organisation, _)) => Err(MappingError::TooManyGrants(organisation.clone())),
            None => Ok(mapped),
        }
    }
}

fn grant(rule: &Rule) -> Grant {
    Grant { role: rule.role, reach: rule.reach.clone(), source: Source::Groups }
}

fn add(grants: &mut Vec<Grant>, grant: Grant) {
    let includes = |one: &Grant, other: &Grant| other.role <= one.role && other.reach.is_within(&one.reach);
    if !grants.iter().any(|known| includes(known, &grant)) {
        grants.retain(|known| !includes(&grant, known));
        grants.push(grant);
    }
}

#[cfg(test)]
mod tests {
    use earcon_model::WorkspaceId;

    use super::*;

    fn organisation(text: &str) -> OrganisationId {
        OrganisationId::new(text).unwrap()
    }

    fn rule(group: &str, to: &str, role: Role, workspaces: &[&str]) -> Rule {
        let list = workspaces.iter().map(|text| WorkspaceId::new(text).unwrap()).collect();
        let reach = if workspaces.is_empty() { Reach::All } else { Reach::Only(list) };
        Rule { group: group.into(), organisation: organisation(to), role, reach }
    }

    fn groups(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn groups_give_roles_in_several_organisations() {
        let mapping = Mapping::new(vec![
            rule("sre", "acme", Role::Operator, &[]),
            rule("sre", "other", Role::Viewer, &["other.b", "other.a"]),
            rule("shop", "acme", Role::Editor, &["acme.shop"]),
            rule("all", "acme", Role::Viewer, &[]),
        ])
        .unwrap();
        let mapped = mapping.apply(&groups(&["all", "shop", "nobody", "sre", "nobody", "SRE"])).unwrap();
        let [(acme, in_acme), (other, in_other)] = &mapped.grants[..] else { panic!("{mapped:?}") };
        assert_eq!((acme, other), (&organisation("acme"), &organisation("other")));
        let roles: Vec<_> = in_acme.iter().map(|grant| (grant.role, grant.reach == Reach::All)).collect();
        assert_eq!(roles, [(Role::Editor, false), (Role::Operator, true)], "operator includes viewer");
        assert!(in_other[0].reach.covers(&WorkspaceId::new("other.a").unwrap()));
        assert!(in_acme.iter().all(|grant| grant.source == Source::Groups));
        assert_eq!(mapped.without_rule, ["nobody", "SRE"], "byte for byte");
        assert_eq!(mapping.apply(&[]).unwrap(), Mapped::default(), "without groups there are no roles");
    }

    #[test]
    fn rules_that_break_a_rule_are_refused_with_their_number() {
        let good = rule("a", "acme", Role::Viewer, &[]);
        let foreign = rule("a", "acme", Role::Viewer, &["shop"]);
        let shop = WorkspaceId::new("shop").unwrap();
        let expected = MappingError::Grant(2, MembershipError::ForeignWorkspace(shop));
        assert_eq!(Mapping::new(vec![good.clone(), foreign]), Err(expected));
        let owner = rule("a", "acme", Role::Owner, &["acme.shop"]);
        assert_eq!(Mapping::new(vec![owner]), Err(MappingError::Grant(1, MembershipError::LimitedOwner)));
        assert_eq!(Mapping::new(vec![rule("", "acme", Role::Viewer, &[])]), Err(MappingError::Group(1)));
        let many = vec![good; MOST_RULES + 1];
        assert_eq!(Mapping::new(many), Err(MappingError::TooMany(MOST_RULES + 1)));
    }

    #[test]
    fn too_many_groups_fail_instead_of_being_cut() {
        let many = vec!["a".to_owned(); MOST_GROUPS + 1];
        assert_eq!(Mapping::default().apply(&many), Err(MappingError::TooManyGroups(MOST_GROUPS + 1)));
        let rules: Vec<_> =
            (0..MOST_GRANTS).map(|number| rule("a", "acme", Role::Viewer, &[&format!("acme.w{number}")])).collect();
        let mapping = Mapping::new(rules).unwrap();
        let expected = MappingError::TooManyGrants(organisation("acme"));
        assert_eq!(mapping.apply(&groups(&["a"])), Err(expected));
    }
}
