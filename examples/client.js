// Asks a model that the command `serve` serves, as any client of the Open Inference Protocol does.
//
//   npx phantom-parallel serve runs/first &
//   node examples/client.js http://127.0.0.1:8000 first
const [server = 'http://127.0.0.1:8000', model = 'first'] = process.argv.slice(2);

const about = JSON.parse(await (await fetch(`${server}/v2/models/${model}`)).text());
const [input] = about.inputs;
const features = input.shape[1];
console.log(`${about.name}, version ${about.versions[0]}: ${features} features`);

// Two rows; every number of them a feature as the training data had it.
const rows = 2;
const x = Float32Array.from({ length: rows * features }, (_, i) => i % 256);

// As JSON.
const response = await fetch(`${server}/v2/models/${model}/infer`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({
    id: 'first question',
    inputs: [{ name: input.name, datatype: 'FP32', shape: [rows, features], data: [...x] }],
  }),
});
const answer = JSON.parse(await response.text());
if (!response.ok) throw new Error(answer.error);
console.log(answer.id, answer.outputs[0].shape, answer.outputs[0].data.slice(0, 3));

// As bytes: a fifth of the size, and no digits to read. A header has the JSON's length.
const json = JSON.stringify({
  parameters: { binary_data_output: true },
  inputs: [
    {
      name: input.name,
      datatype: 'FP32',
      shape: [rows, features],
      parameters: { binary_data_size: x.byteLength },
    },
  ],
});
const binary = await fetch(`${server}/v2/models/${model}/infer`, {
  method: 'POST',
  headers: { 'Inference-Header-Content-Length': String(Buffer.byteLength(json)) },
  body: Buffer.concat([Buffer.from(json), Buffer.from(x.buffer)]),
});
const bytes = await binary.arrayBuffer();
const length = Number(binary.headers.get('inference-header-content-length'));
const y = new Float32Array(bytes.slice(length));
console.log('the same as bytes', y.slice(0, 3));
