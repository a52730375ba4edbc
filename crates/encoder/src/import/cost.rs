//! What a tower costs, counted on its graph while it runs once.
//!
//! Exporters rarely declare the sizes of what flows through a graph, so the graph is run on one input, unoptimised,
//! and the sizes of the products are looked at.

use std::collections::HashMap;

use rten::{ModelOptions, NodeId, Value, ValueOrView};
use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;

use crate::engine::guarded;

/// Larger models are not run for this: every intermediate result is in memory at once.
const MAX_PARAMETERS: u64 = 700_000_000;

/// What one input costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) multiply_adds: u64,
    pub(super) relus: u64,
}

/// What is fed to a tower.
pub(super) enum Probe {
    /// A black picture of this height and width.
    Picture([usize; 2]),
    /// A sentence of so many times token 0.
    Sentence(usize),
}

/// Number of weights: the floating-point constants of the graph.
pub(crate) fn parameters(onnx: &[u8]) -> u64 {
    let graph = ModelProto::parse_buf(onnx).ok().and_then(|model| model.graph);
    let weights = graph.iter().flat_map(|graph| &graph.initializer);
    weights
        .filter(|weight| matches!(weight.data_type, Some(DataType::FLOAT | DataType::FLOAT16)))
        .map(elements)
        .fold(0, u64::saturating_add)
}

fn elements(weight: &rten_onnx::onnx::TensorProto) -> u64 {
    weight.dims.iter().fold(1, |product: u64, &size| product.saturating_mul(u64::try_from(size).unwrap_or(0)))
}

/// Products and ReLUs of one input; `None` where the graph cannot be followed.
pub(super) fn count(onnx: &[u8], external: &[(String, Vec<u8>)], probe: &Probe) -> Option<Cost> {
    if parameters(onnx) > MAX_PARAMETERS {
        return None;
    }
    let graph = ModelProto::parse_buf(onnx).ok()?.graph?;
    let mut options = ModelOptions::with_all_ops();
    options.enable_optimization(false);
    for (name, bytes) in external {
        options.external_data(name, bytes.clone());
    }
    let model = guarded(|| options.load(onnx.to_vec())).ok()?;
    let counted: Vec<&NodeProto> = graph.node.iter().filter(|node| kind(node).is_some()).collect();
    let names: Vec<&str> = counted
        .iter()
        .flat_map(|node| node.output.first().into_iter().chain(node.input.first()))
        .map(String::as_str)
        .filter(|name| !graph.input.iter().any(|input| input.name.as_deref() == Some(name)))
        .collect();
    let mut wanted: HashMap<&str, NodeId> = HashMap::new();
    for name in names {
        wanted.insert(name, model.find_node(name)?);
    }
    let (keys, ids): (Vec<&str>, Vec<NodeId>) = wanted.into_iter().unzip();
    let values = guarded(|| model.run(inputs(&model, probe), &ids, None)).ok()?;
    let mut shapes: HashMap<&str, Vec<usize>> =
        keys.into_iter().zip(values.iter().map(|value| value.shape().to_vec())).collect();
    for input in &graph.input {
        if let (Probe::Picture([height, width]), Some(name)) = (probe, input.name.as_deref()) {
            shapes.insert(name, vec![1, 3, *height, *width]);
        }
    }
    let mut cost = Cost::default();
    for node in counted {
        let out = shapes.get(node.output.first()?.as_str())?;
        let area = product(out);
        let input = shapes.get(node.input.first()?.as_str());
        match kind(node)? {
            Kind::Relu => cost.relus = cost.relus.saturating_add(area),
            Kind::MatMul => cost.add(area, *input?.last()? as u64),
            Kind::Gemm => cost.add(area, product(input?) / (*out.first()?).max(1) as u64),
            Kind::Conv => cost.add(area, kernel(&graph, node.input.get(1)?)?),
        }
    }
    Some(cost)
}

impl Cost {
    /// So many output numbers, each of so many products.
    fn add(&mut self, outputs: u64, products: u64) {
        self.multiply_adds = self.multiply_adds.saturating_add(outputs.saturating_mul(products));
    }
}

/// A graph declares what it likes, so that sizes may be too large to multiply.
fn product(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64))
}

enum Kind {
    MatMul,
    Gemm,
    Conv,
    Relu,
}

fn kind(node: &NodeProto) -> Option<Kind> {
    match node.op_type.as_deref()? {
        "MatMul" => Some(Kind::MatMul),
        "Gemm" => Some(Kind::Gemm),
        "Conv" => Some(Kind::Conv),
        "Relu" => Some(Kind::Relu),
        _ => None,
    }
}

/// Weights that one output number of a convolution takes.
fn kernel(graph: &GraphProto, weight: &str) -> Option<u64> {
    let weight = graph.initializer.iter().find(|candidate| candidate.name.as_deref() == Some(weight))?;
    let channels = u64::try_from(*weight.dims.first()?).ok().filter(|channels| *channels > 0)?;
    Some(elements(weight) / channels)
}

fn inputs(model: &rten::Model, probe: &Probe) -> Vec<(NodeId, ValueOrView<'static>)> {
    let feed = |id: NodeId| -> (NodeId, ValueOrView<'static>) {
        let value: Value = match probe {
            Probe::Picture([height, width]) => Tensor::<f32>::zeros(&[1, 3, *height, *width]).into(),
            Probe::Sentence(length) => Tensor::<i32>::zeros(&[1, *length]).into(),
        };
        (id, value.into())
    };
    model.input_ids().iter().map(|&id| feed(id)).collect()
}

#[cfg(test)]
mod tests {
    use rten_onnx::onnx::TensorProto;

    use super::*;

    #[test]
    fn sizes_that_no_number_holds_are_counted_as_the_largest() {
        let weight = TensorProto { dims: vec![1 << 40, 1 << 40], ..TensorProto::default() };
        assert_eq!(elements(&weight), u64::MAX);
        assert_eq!(product(&[usize::MAX, 2]), u64::MAX);
        let mut cost = Cost::default();
        cost.add(u64::MAX, 2);
        cost.add(1, 1);
        assert_eq!(cost.multiply_adds, u64::MAX);
    }
}
