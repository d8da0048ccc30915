use super::*;
use crate::dice::Dice;

#[derive(Clone, Default)]
struct Made {
    strand: Strand,
}

fn made(ssh: &str, tls: &str, payload: &str, c2: &str) -> Made {
    let mut strand = Strand::default();
    let mut put = |set: fn(&mut Strand) -> &mut BTreeSet<String>, value: &str| {
        if !value.is_empty() {
            set(&mut strand).insert(value.to_owned());
        }
    };
    put(|s| &mut s.hassh, ssh);
    put(|s| &mut s.ja4, tls);
    put(|s| &mut s.ja3, tls);
    put(|s| &mut s.payloads, payload);
    put(|s| &mut s.c2, c2);
    Made { strand }
}

fn nodes(all: &[Made]) -> Vec<Node> {
    all.iter().enumerate().map(|(i, m)| Node::new(i as u128 + 1, &m.strand, &[])).collect()
}

/// Which are together, as groups of numbers from 1.
fn groups(clusters: &Clusters) -> Vec<Vec<u128>> {
    let mut by: BTreeMap<u128, Vec<u128>> = BTreeMap::new();
    for (key, group) in clusters.division() {
        by.entry(group).or_default().push(key);
    }
    by.into_values()
        .map(|mut g| {
            g.sort_unstable();
            g
        })
        .collect()
}

fn check(all: &[Made], expect: &[&[u128]]) {
    let clusters = Clusters::of(nodes(all));
    assert_eq!(groups(&clusters), expect);
}

#[test]
fn the_high_tier_joins_alone() {
    check(&[made("a", "", "", ""), made("a", "", "", "")], &[&[1, 2]]);
    check(&[made("", "j", "", ""), made("", "j", "", "")], &[&[1, 2]]);
    check(&[made("", "", "p", ""), made("", "", "p", "")], &[&[1, 2]]);
    check(&[made("", "", "", "c:1"), made("", "", "", "c:1")], &[&[1, 2]]);
    check(&[made("a", "", "", ""), made("b", "", "", "")], &[&[1], &[2]]);
    check(&[made("", "", "", ""), made("", "", "", "")], &[&[1], &[2]]);
    // One client agrees, the other differs: no veto.
    check(&[made("a", "j", "", ""), made("b", "j", "", "")], &[&[1, 2]]);
}

#[test]
fn the_lower_tiers_never_do() {
    let mut a = made("a", "", "", "");
    let mut b = made("b", "", "", "");
    for strand in [&mut a.strand, &mut b.strand] {
        strand.credentials.extend([1, 2, 3]);
        strand.lists.insert(9);
        strand.scripts.insert(8);
        strand.commands.entry(model::Phase::Discovery).or_default().insert("id".into());
    }
    check(&[a.clone(), b.clone()], &[&[1], &[2]]);
    a.strand.hassh.clear();
    b.strand.hassh.clear();
    check(&[a, b], &[&[1], &[2]]);
}

#[test]
fn disagreeing_clients_veto_infrastructure_for_whole_components() {
    check(&[made("a", "", "", "c:1"), made("b", "", "", "c:1")], &[&[1], &[2]]);
    check(&[made("a", "", "p", "c:1"), made("b", "", "p", "c:1")], &[&[1], &[2]]);
    // Somebody without a client goes with one of them, not with both.
    check(&[made("a", "", "", "c:1"), made("", "", "", "c:1"), made("b", "", "", "c:1")], &[&[1, 2], &[3]]);
    // Seen with both clients: no contradiction any more.
    let mut both = made("a", "", "", "");
    both.strand.hassh.insert("b".into());
    check(&[made("a", "", "", ""), both, made("b", "", "", "")], &[&[1, 2, 3]]);
}

#[test]
fn a_client_that_everybody_has_joins_nothing_but_what_is_rare_still_does() {
    let mut crowd = Vec::new();
    for n in 0..20 {
        for _ in 0..2 {
            crowd.push(made("tool", "lib", "", &format!("c{n}.test:80")));
        }
    }
    let clusters = Clusters::of(nodes(&crowd));
    let sizes: Vec<usize> = groups(&clusters).iter().map(Vec::len).collect();
    assert_eq!(sizes, vec![2; 20]);
    assert!(!clusters.verdict(nodes(&crowd)[0].of(Kind::Ssh)[0]).unwrap().rare);
}

#[test]
fn an_actor_of_many_addresses_stays_one() {
    let all: Vec<Made> = (0..60).map(|_| made("a", "j", "", "")).collect();
    let mut with_noise = all.clone();
    with_noise.extend((0..300).map(|n| made(&format!("n{n}"), "", "", "")));
    let clusters = Clusters::of(nodes(
        &all.iter()
            .map(|m| {
                let mut m = m.clone();
                m.strand.c2.insert("c:1".into());
                m
            })
            .collect::<Vec<_>>(),
    ));
    assert_eq!(groups(&clusters).len(), 1);
    assert_eq!(clusters.links(1).len(), 59);
}

#[test]
fn what_an_analyst_says_holds() {
    let pair = [made("a", "", "", ""), made("a", "", "", "")];
    let clusters = Clusters::with_apart(nodes(&pair), [(1, 2)]);
    assert_eq!(groups(&clusters), [vec![1], vec![2]]);
    let strangers = [made("a", "", "", ""), made("b", "", "", "")];
    let bound: Vec<Node> = strangers.iter().enumerate().map(|(i, m)| Node::new(i as u128 + 1, &m.strand, &[77])).collect();
    assert_eq!(groups(&Clusters::of(bound)), [vec![1, 2]]);
}

fn random(dice: &mut Dice) -> Made {
    let pick = |dice: &mut Dice, prefix: &str, most: u64, chance: f64| {
        if dice.chance(chance) { format!("{prefix}{}", dice.below(most)) } else { String::new() }
    };
    let (ssh, tls) = (pick(dice, "s", 14, 0.6), pick(dice, "t", 14, 0.6));
    let (payload, c2) = (pick(dice, "p", 25, 0.3), pick(dice, "c", 25, 0.3));
    let mut made = made(&ssh, &tls, &payload, &c2);
    if dice.chance(0.2) {
        made.strand.hassh.insert(format!("s{}", dice.below(14)));
    }
    if dice.chance(0.4) {
        made.strand.lists.insert(dice.below(6));
    }
    made
}

#[test]
fn one_by_one_in_any_order_and_all_at_once_are_the_same() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let all: Vec<Made> = (0..dice.below(90) + 2).map(|_| random(&mut dice)).collect();
        let whole = Clusters::of(nodes(&all));
        let mut order = nodes(&all);
        dice.shuffle(&mut order);
        let mut grown = Clusters::default();
        for node in &order {
            // First a part of what it shows, then all of it.
            if dice.chance(0.3) {
                let half: Vec<Item> = node.items.iter().copied().filter(|_| dice.chance(0.5)).collect();
                grown.absorb(Node { key: node.key, items: half.into() });
            }
            grown.absorb(node.clone());
            if dice.chance(0.1) {
                let extra = Node::new(900 + u128::from(seed), &random(&mut dice).strand, &[]);
                let key = extra.key;
                grown.absorb(extra);
                grown.forget(key);
            }
        }
        assert_eq!(groups(&grown), groups(&whole), "seed {seed}");
        let mut again = order.clone();
        again.reverse();
        assert_eq!(groups(&Clusters::of(again)), groups(&whole));
    }
}

#[test]
fn no_component_holds_two_that_differ_in_everything() {
    for seed in 100..160 {
        let mut dice = Dice::new(seed);
        let all: Vec<Made> = (0..80).map(|_| random(&mut dice)).collect();
        let clusters = Clusters::of(nodes(&all));
        for group in groups(&clusters) {
            let members: Vec<&Strand> = group.iter().map(|k| &all[usize::try_from(*k).unwrap() - 1].strand).collect();
            for a in &members {
                for b in &members {
                    let slot = |x: &BTreeSet<String>, y: &BTreeSet<String>| (!x.is_empty() && !y.is_empty()).then(|| !x.is_disjoint(y));
                    let slots = [slot(&a.hassh, &b.hassh), slot(&a.ja4, &b.ja4)];
                    let differ = slots.contains(&Some(false)) && !slots.contains(&Some(true));
                    let explained = members.iter().any(|c| {
                        let sees = |x: &BTreeSet<String>, y: &BTreeSet<String>, c: &BTreeSet<String>| {
                            x.is_empty() || y.is_empty() || (!c.is_disjoint(x) && !c.is_disjoint(y))
                        };
                        sees(&a.hassh, &b.hassh, &c.hassh) && sees(&a.ja4, &b.ja4, &c.ja4)
                    });
                    assert!(!differ || explained, "seed {seed}: {a:?} and {b:?}");
                }
            }
        }
    }
}
