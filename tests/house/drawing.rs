//! Draws a graph of modules as an SVG: users above, what they use below, one box for each circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::graph::circles;

/// Sizes in pixels, for a monospaced font of `FONT` pixels.
const FONT: usize = 13;
const CHARACTER: f64 = 7.8;
const LINE: f64 = 16.0;
const GAP: f64 = 14.0;
const BETWEEN_LAYERS: f64 = 52.0;
const MARGIN: f64 = 16.0;

/// Draws the graph in layers: each module stands above all that it uses, and arrows that follow from others are left out.
/// Modules in a circle share a box with a red border.
pub(crate) fn draw(arrows: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut drawing = Drawing::of(arrows);
    drawing.bend_long_arrows();
    drawing.order();
    drawing.place();
    drawing.svg()
}

/// A box, or a bend of an arrow that crosses its layer.
struct Node {
    lines: Vec<String>,
    layer: usize,
    above: Vec<usize>,
    below: Vec<usize>,
    x: f64,
}

impl Node {
    fn width(&self) -> f64 {
        let longest = self.lines.iter().map(String::len).max();
        longest.map_or(2.0, |length| length as f64 * CHARACTER + 16.0)
    }

    fn height(&self) -> f64 {
        if self.lines.is_empty() { 0.0 } else { self.lines.len() as f64 * LINE + 10.0 }
    }
}

struct Drawing {
    nodes: Vec<Node>,
    /// Layers from the lowest up, each from left to right.
    layers: Vec<Vec<usize>>,
}

impl Drawing {
    fn of(arrows: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let circles = circles(arrows);
        let alone = arrows.keys().filter(|name| !circles.iter().any(|circle| circle.contains(name.as_str())));
        let mut boxes: Vec<BTreeSet<&str>> = alone.map(|name| BTreeSet::from([name.as_str()])).collect();
        boxes.extend(circles.iter().cloned());
        let of = |name: &str| boxes.iter().position(|members| members.contains(name));
        let below: Vec<BTreeSet<usize>> = boxes
            .iter()
            .enumerate()
            .map(|(index, members)| {
                let used = members.iter().flat_map(|member| &arrows[*member]);
                used.filter_map(|name| of(name)).filter(|other| *other != index).collect()
            })
            .collect();
        let reach: Vec<BTreeSet<usize>> = (0..boxes.len()).map(|from| reached(&below, from)).collect();
        let mut layers: Vec<Vec<usize>> = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        for (index, members) in boxes.iter().enumerate() {
            let layer = height(&below, index);
            layers.resize(layers.len().max(layer + 1), Vec::new());
            layers[layer].push(index);
            let implied =
                |used: &usize| below[index].iter().any(|other| other != used && reach[*other].contains(used));
            let direct = below[index].iter().copied().filter(|used| !implied(used)).collect();
            let lines = members.iter().map(|name| (*name).to_owned()).collect();
            nodes.push(Node { lines, layer, above: Vec::new(), below: direct, x: 0.0 });
        }
        for index in 0..nodes.len() {
            for used in nodes[index].below.clone() {
                nodes[used].above.push(index);
            }
        }
        Self { nodes, layers }
    }

    /// Gives an arrow that crosses layers a bend in each of them, so that each layer reserves room for it.
    fn bend_long_arrows(&mut self) {
        for index in 0..self.nodes.len() {
            for position in 0..self.nodes[index].below.len() {
                let target = self.nodes[index].below[position];
                let mut from = index;
                for layer in (self.nodes[target].layer + 1..self.nodes[index].layer).rev() {
                    let bend = self.nodes.len();
                    self.nodes.push(Node {
                        lines: Vec::new(),
                        layer,
                        above: vec![from],
                        below: vec![target],
                        x: 0.0,
                    });
                    self.layers[layer].push(bend);
                    replace(&mut self.nodes[from].below, target, bend);
                    replace(&mut self.nodes[target].above, from, bend);
                    from = bend;
                }
            }
        }
    }

    /// Orders each layer by the middle of its neighbours, upwards and downwards by turns, so that fewer arrows cross.
    fn order(&mut self) {
        for round in 0..24 {
            let upwards = round % 2 == 0;
            let mut order: Vec<usize> = (0..self.layers.len()).collect();
            if !upwards {
                order.reverse();
            }
            for layer in order {
                let mut place = vec![0.0; self.nodes.len()];
                for nodes in &self.layers {
                    for (position, node) in nodes.iter().enumerate() {
                        place[*node] = (position as f64 + 0.5) / nodes.len() as f64;
                    }
                }
                let middle = |node: usize| {
                    let near = if upwards { &self.nodes[node].below } else { &self.nodes[node].above };
                    mean(near.iter().map(|near| place[*near])).unwrap_or(place[node])
                };
                let mut nodes = self.layers[layer].clone();
                nodes.sort_by(|a, b| middle(*a).total_cmp(&middle(*b)));
                self.layers[layer] = nodes;
            }
        }
    }

    /// Moves every node towards the middle of its neighbours, as far as the others of its layer let it.
    fn place(&mut self) {
        for layer in &self.layers {
            let mut x = 0.0;
            for node in layer {
                self.nodes[*node].x = x + self.nodes[*node].width() / 2.0;
                x += self.nodes[*node].width() + GAP;
            }
        }
        for round in 0..60 {
            for layer in &self.layers {
                let wanted: Vec<f64> = layer
                    .iter()
                    .map(|node| {
                        let node = &self.nodes[*node];
                        let near = node.above.iter().chain(&node.below);
                        mean(near.map(|near| self.nodes[*near].x)).unwrap_or(node.x)
                    })
                    .collect();
                // From the left and from the right by turns, so that neither side wins.
                let mut places = wanted;
                let distance = |a: usize, b: usize| {
                    (self.nodes[layer[a]].width() + self.nodes[layer[b]].width()) / 2.0 + GAP
                };
                if round % 2 == 0 {
                    for i in 1..places.len() {
                        places[i] = places[i].max(places[i - 1] + distance(i - 1, i));
                    }
                } else {
                    for i in (1..places.len()).rev() {
                        places[i - 1] = places[i - 1].min(places[i] - distance(i - 1, i));
                    }
                }
                for (node, x) in layer.iter().zip(places) {
                    self.nodes[*node].x = x;
                }
            }
        }
    }

    fn svg(&self) -> String {
        let left = self.nodes.iter().map(|node| node.x - node.width() / 2.0).fold(f64::INFINITY, f64::min);
        let right = self.nodes.iter().map(|node| node.x + node.width() / 2.0).fold(0.0, f64::max);
        let heights: Vec<f64> = self.layers.iter().map(|layer| self.height_of(layer)).collect();
        let total = heights.iter().sum::<f64>() + BETWEEN_LAYERS * (self.layers.len() - 1) as f64;
        let middle = |layer: usize| {
            let above: f64 = heights[layer + 1..].iter().map(|height| height + BETWEEN_LAYERS).sum();
            MARGIN + above + heights[layer] / 2.0
        };
        let (width, height) = ((right - left + 2.0 * MARGIN).ceil(), (total + 2.0 * MARGIN).ceil());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"monospace\" font-size=\"{FONT}\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        let x = |node: &Node| node.x - left + MARGIN;
        for node in &self.nodes {
            for used in &node.below {
                let used = &self.nodes[*used];
                let (from, to) =
                    (middle(node.layer) + node.height() / 2.0, middle(used.layer) - used.height() / 2.0);
                let bend = (from + to) / 2.0;
                let (start, end) = (x(node), x(used));
                let _ = writeln!(
                    svg,
                    "<path d=\"M{start:.0} {from:.0}C{start:.0} {bend:.0} {end:.0} {bend:.0} {end:.0} {to:.0}\" \
                     fill=\"none\" stroke=\"#789\"/>"
                );
            }
        }
        for node in self.nodes.iter().filter(|node| !node.lines.is_empty()) {
            let (middle_x, middle_y) = (x(node), middle(node.layer));
            let (width, height) = (node.width(), node.height());
            let (left, top) = (middle_x - width / 2.0, middle_y - height / 2.0);
            let border = if node.lines.len() > 1 { "#c33" } else { "#345" };
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"4\" \
                 fill=\"#f4f7fa\" stroke=\"{border}\"/>"
            );
            for (index, line) in node.lines.iter().enumerate() {
                let y = top + 18.0 + index as f64 * LINE;
                let _ = writeln!(
                    svg,
                    "<text x=\"{middle_x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\" fill=\"#123\">{line}</text>"
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn height_of(&self, layer: &[usize]) -> f64 {
        layer.iter().map(|node| self.nodes[*node].height()).fold(0.0, f64::max)
    }
}

fn replace(nodes: &mut [usize], old: usize, new: usize) {
    if let Some(node) = nodes.iter_mut().find(|node| **node == old) {
        *node = new;
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

fn reached(below: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<usize> = below[from].iter().copied().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(&below[next]);
        }
    }
    reached
}

/// How many layers lie below a node.
fn height(below: &[BTreeSet<usize>], node: usize) -> usize {
    below[node].iter().map(|used| height(below, *used) + 1).max().unwrap_or(0)
}
