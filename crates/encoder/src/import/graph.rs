//! Writing an ONNX graph: nodes one after the other, weights in a file beside it.

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataLocation, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor,
    ValueInfoProto,
};

/// The version of the operators: the first with `Gelu`.
const OPSET: i64 = 20;
const IR_VERSION: i64 = 9;

/// A graph that is being written.
pub(super) struct GraphWriter {
    graph: GraphProto,
    /// Name of the file with the weights.
    weights_file: String,
    /// Its content.
    weights: Vec<u8>,
    count: usize,
}

/// A value in the graph, by its name.
#[derive(Clone, Debug)]
pub(super) struct Name(pub(super) String);

/// An attribute's value.
pub(super) enum Attribute<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Text(&'a str),
}

impl GraphWriter {
    pub(super) fn new(weights_file: &str) -> Self {
        Self {
            graph: GraphProto::default(),
            weights_file: weights_file.into(),
            weights: Vec::new(),
            count: 0,
        }
    }

    /// An input; a size of `Err` is a name for any size.
    pub(super) fn input(&mut self, name: &str, kind: DataType, shape: &[Result<usize, &str>]) -> Name {
        self.graph.input.push(described(name, kind, shape));
        Name(name.into())
    }

    /// Names a value as an output.
    pub(super) fn output(&mut self, value: &Name, name: &str, shape: &[Result<usize, &str>]) {
        let output = self.graph.node.iter_mut().flat_map(|node| node.output.iter_mut());
        if let Some(output) = output.into_iter().find(|output| **output == value.0) {
            name.clone_into(output);
        }
        self.graph.output.push(described(name, DataType::FLOAT, shape));
    }

    /// A weight of 32-bit floats, kept in the weights file at a multiple of 64 bytes.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Name {
        self.weights.resize(self.weights.len().next_multiple_of(64), 0);
        let offset = self.weights.len();
        self.weights.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry =
            |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        self.graph.initializer.push(TensorProto {
            dims: dims(shape),
            data_type: Some(DataType::FLOAT),
            name: Some(name.into()),
            external_data: vec![
                entry("location", self.weights_file.clone()),
                entry("offset", offset.to_string()),
                entry("length", (values.len() * 4).to_string()),
            ],
            data_location: Some(DataLocation::EXTERNAL),
            ..TensorProto::default()
        });
        Name(name.into())
    }

    /// A small constant of whole numbers.
    pub(super) fn integers(&mut self, shape: &[usize], values: &[i64]) -> Name {
        let name = self.fresh("const");
        self.graph.initializer.push(TensorProto {
            dims: dims(shape),
            data_type: Some(DataType::INT64),
            int64_data: values.to_vec(),
            name: Some(name.clone()),
            ..TensorProto::default()
        });
        Name(name)
    }

    /// A constant number.
    pub(super) fn number(&mut self, value: f32) -> Name {
        let name = self.fresh("const");
        self.graph.initializer.push(TensorProto {
            data_type: Some(DataType::FLOAT),
            float_data: vec![value],
            name: Some(name.clone()),
            ..TensorProto::default()
        });
        Name(name)
    }

    /// A node with one output.
    pub(super) fn op(&mut self, kind: &str, inputs: &[&Name], attributes: &[(&str, Attribute<'_>)]) -> Name {
        let output = self.fresh(kind);
        self.push(kind, inputs, vec![output.clone()], attributes);
        Name(output)
    }

    /// A node with three outputs.
    pub(super) fn split3(&mut self, input: &Name, axis: i64, size: usize) -> [Name; 3] {
        let outputs = [(); 3].map(|()| self.fresh("Split"));
        let sizes = self.integers(&[3], &[size as i64; 3]);
        self.push("Split", &[input, &sizes], outputs.to_vec(), &[("axis", Attribute::Int(axis))]);
        outputs.map(Name)
    }

    fn push(
        &mut self,
        kind: &str,
        inputs: &[&Name],
        outputs: Vec<String>,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        self.graph.node.push(NodeProto {
            op_type: Some(kind.into()),
            name: outputs.first().cloned(),
            input: inputs.iter().map(|name| name.0.clone()).collect(),
            output: outputs,
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            ..NodeProto::default()
        });
    }

    fn fresh(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}_{}", self.count)
    }

    /// The bytes of the ONNX file and of the weights file.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            producer_name: Some("pmirs".into()),
            ..ModelProto::default()
        };
        Ok((model.write_buf().map_err(|error| error.to_string())?, self.weights))
    }
}

fn dims(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&size| size as i64).collect()
}

fn described(name: &str, kind: DataType, shape: &[Result<usize, &str>]) -> ValueInfoProto {
    let dimension = |size: &Result<usize, &str>| match size {
        Ok(size) => Dimension { dim_value: Some(*size as i64), dim_param: None },
        Err(name) => Dimension { dim_value: None, dim_param: Some((*name).into()) },
    };
    let tensor = TypeProtoTensor {
        elem_type: Some(kind),
        shape: Some(TensorShapeProto { dim: shape.iter().map(dimension).collect() }),
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
    }
}

fn attribute(name: &str, value: &Attribute<'_>) -> AttributeProto {
    let mut proto = AttributeProto { name: Some(name.into()), ..AttributeProto::default() };
    proto.r#type = Some(match value {
        Attribute::Int(value) => {
            proto.i = Some(*value);
            AttributeType::INT
        }
        Attribute::Float(value) => {
            proto.f = Some(*value);
            AttributeType::FLOAT
        }
        Attribute::Ints(values) => {
            proto.ints = values.to_vec();
            AttributeType::INTS
        }
        Attribute::Text(value) => {
            proto.s = Some((*value).into());
            AttributeType::STRING
        }
    });
    proto
}
