//! What a network asks of whoever evaluates it, so that it can be refused before any memory is taken.

use super::layer::{Layer, Network};

impl Network {
    /// Weights and biases of all layers.
    pub fn parameters(&self) -> usize {
        self.weights().iter().flatten().sum()
    }

    /// Multiplications, each with an addition, of one evaluation in the clear.
    pub fn multiply_adds(&self) -> usize {
        let of_node =
            |(index, [weights, _]): (usize, [usize; 2])| self.leaving(index).places().saturating_mul(weights);
        self.weights().into_iter().enumerate().map(of_node).fold(0, usize::saturating_add)
    }

    /// The most values that lie before a product of one layer: its input, with every window of it written out.
    pub fn largest(&self) -> usize {
        let of_node = |(index, node): (usize, &super::Node)| {
            let out = self.leaving(index);
            match node.layer {
                Layer::Convolution { window: [rows, columns], inputs, .. } => {
                    out.places().saturating_mul(rows * columns * inputs).max(out.len())
                }
                _ => out.len(),
            }
        };
        self.nodes.iter().enumerate().map(of_node).fold(self.input().len(), usize::max)
    }
}

#[cfg(test)]
mod tests {
    use crate::network::TextTower;

    #[test]
    fn a_cost_is_counted_from_the_layers() {
        let tower = TextTower { tokens: 4, vocabulary: 10, width: 3, layers: 1, dim: 5 };
        let network = tower.network(16, 32).unwrap();
        assert_eq!(network.parameters(), 10 * 3 + (3 * 3 * 3 + 3) + (3 * 5 + 5));
        assert_eq!(network.multiply_adds(), 4 * 30 + 4 * 27 + 15);
        assert_eq!(network.largest(), 4 * 10);
    }
}
