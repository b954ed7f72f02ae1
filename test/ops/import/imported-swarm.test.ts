import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { parse } from 'yaml'
import { BeeRegistry } from '../../../bees/registry.ts'
import { importedSwarm } from '../../../ops/import/imported-swarm.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'

const directory = mkdtempSync(join(tmpdir(), 'waggle-import-'))
after(() => rmSync(directory, { recursive: true }))

interface Imported {
  readonly bees: { readonly [name: string]: { readonly type: string; readonly input?: object; readonly spec?: { readonly [key: string]: unknown } } }
  /** Line, message and next step of each note. */
  readonly notes: readonly string[]
}

/** Imports a file, and checks the swarm as `validate` does. */
function imported(path: string, text: string): Imported {
  const file = join(directory, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  const draft = importedSwarm(file, directory)
  checkSwarm(SwarmDocument.parse(draft.text(), 'swarm.yaml'), new BeeRegistry())
  const { bees } = parse(draft.text()) as { readonly bees: readonly { readonly name: string; readonly type: string }[] }
  return {
    bees: Object.fromEntries(bees.map(({ name, ...bee }) => [name, bee])),
    notes: draft.notes.map(({ place, message, next }) => `${place?.slice(file.length + 1)} ${message}; ${next}`),
  }
}

function refused(path: string, text: string): string {
  try {
    imported(path, text)
  } catch (thrown) {
    return (thrown as Error).message.replaceAll(join(directory, path), path)
  }
  throw new Error('It was imported')
}

const ensemble = `# A photo becomes scores.
name: "photos"
platform: "ensemble"
max_batch_size: 8
input [ { name: "PHOTO", data_type: TYPE_UINT8, dims: [ -1 ] } ]
output [
  { name: "SCORES" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }
]
ensemble_scheduling {
  step [
    {
      model_name: "average"
      model_version: -1
      input_map { key: "LEFT" value: "left_scores" }
      input_map { key: "RIGHT" value: "right_scores" }
      output_map { key: "MEAN" value: "SCORES" }
    },
    { model_name: "decode" model_version: -1
      input_map: { key: 'RAW' value: 'PHOTO' } output_map: { key: "PIXELS" value: "pixels" } },
    { model_name: "left" model_version: 3
      input_map < key: "PIXELS"; value: "pixels" > output_map { key: "OUT" value: "left_" "scores" } },
    { model_name: "right" model_version: -1 model_namespace: "other"
      input_map { key: "X" value: "pixels" } output_map { key: "OUT" value: "right_scores" } }
  ]
}
`

describe('An ensemble of Triton', () => {
  it('becomes bees in the order of its tensors, with map bees if names differ or several steps meet', () => {
    for (const [path, text] of [
      ['repo/left/config.pbtxt', 'platform: "onnxruntime_onnx"'],
      ['repo/right/1/model.savedmodel/saved_model.pb', ''],
      ['repo/decode/config.pbtxt', 'backend: "python"'],
    ] as const) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), text)
    }
    const { bees, notes } = imported('repo/photos/config.pbtxt', ensemble)
    const input = (name: string, datatype: string, from: string) =>
      `{name: '${name}', datatype: '${datatype}', shape: [\`1\`, length(${from})], data: [${from}]}`
    const requestOf = (name: string, datatype: string, from: string) => `{inputs: [${input(name, datatype, from)}]}`
    const both = `{inputs: [${input('LEFT', 'FP32', '"left"."OUT"')}, ${input('RIGHT', 'FP32', '"right"."OUT"')}]}`
    assert.deepEqual(bees, {
      'photos-input': { type: 'gateway-input', spec: { name: 'photos' } },
      'decode-input': { type: 'map', input: { name: 'photos-input' }, spec: { expression: requestOf('RAW', 'UINT8', '"PHOTO"') } },
      decode: { type: 'http-call', input: { name: 'decode-input' }, spec: { url: 'http://localhost:8000/v2/models/decode/infer', idempotent: true } },
      'left-input': { type: 'map', input: { name: 'decode' }, spec: { expression: `{"PIXELS": (outputs[?name=='PIXELS'].data | [0])}` } },
      left: { type: 'tensor-rt', input: { name: 'left-input' }, spec: { model: './repo/left', version: 3 } },
      'right-input': { type: 'map', input: { name: 'decode' }, spec: { expression: `{"X": (outputs[?name=='PIXELS'].data | [0])}` } },
      right: { type: 'tf-serving', input: { name: 'right-input' }, spec: { model: './repo/right' } },
      'average-input': { type: 'map', input: { join: ['left', 'right'] }, spec: { expression: both } },
      average: {
        type: 'http-call',
        input: { name: 'average-input' },
        spec: { url: 'http://localhost:8000/v2/models/average/infer', idempotent: true },
      },
      'photos-output': { type: 'map', input: { name: 'average' }, spec: { expression: `{"SCORES": (outputs[?name=='MEAN'].data | [0])}` } },
      answer: { type: 'respond', input: { name: 'photos-output' } },
    })
    for (const note of [
      /^4:1 max_batch_size has no equal; .*batch bee/,
      /^7:53 label_filename has no equal; Set spec\.labels/,
      /^11:5 the model average does not lie beside .*photos; The bee calls a Triton/,
      /^20:\d+ the model server gives pixels as a flat list, and the bee of left takes lists of the shape of PIXELS/,
      /^20:\d+ the bee left names its scores by their labels, .* correct the expressions that read OUT/,
      /^18:5 Waggle has no runtime for the model decode \(python\)/,
      /^22:\d+ model_namespace has no equal; /,
    ])
      assert.ok(
        notes.some((one) => note.test(one)),
        `${note} in ${notes.join('\n')}`,
      )
  })

  it('is refused with the place of a mistake inside it', () => {
    for (const [text, message] of [
      ['name: "m"\nplatform: "onnxruntime_onnx"', /1:1: it is no ensemble but a model of onnxruntime_onnx: ensemble_scheduling is missing/],
      ['name "m"', /1:6: "\\"m\\"" stands behind a field's name/],
      ['name: "m"\ninput [ { name: "x" }', /2:22: the end of the file stands inside a list/],
      ['name: "m', /1:7: "\\"" has no meaning here/],
      [
        'ensemble_scheduling { step { model_name: "a" input_map { key: "x" value: "nope" } } } input { name: "nape" }',
        /1:23: no step before it and no input makes the tensor nope; did you mean nape/,
      ],
      ['ensemble_scheduling { step { model_name: "a" } } output { name: "y" }', /1:50: no step before it and no input makes the tensor y/],
      [`input { name: "x" dims: [ ${'-1,'.repeat(16)} -1 ] } ensemble_scheduling {}`, /1:1: a tensor has 17 dimensions; Give the tensor at most 16/],
      [`${'a {'.repeat(100)}`, /messages are nested more than 64 levels deep/],
      [`a: [${'1,'.repeat(100_001)}1]`, /more than 100000 fields/],
      [
        'ensemble_scheduling { step { model_name: "a" input_map { key: "x" value: "b" } output_map { key: "y" value: "c" } } step { model_name: "b" input_map { key: "x" value: "c" } output_map { key: "y" value: "b" } } }',
        /1:23: no step before it and no input makes the tensor b/,
      ],
    ] as const)
      assert.match(refused('wrong/config.pbtxt', text), message)
  })

  it('is imported with a warning for each part that Waggle leaves out', () => {
    const step = 'step { model_name: "away" model_version: 7 input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } }'
    const { notes } = imported(
      'notes/config.pbtxt',
      `input { name: "x" data_type: TYPE_INT8 }\noutput { name: "y" dims: [ 2, 3 ] }\nensemble_scheduling { ${step} }`,
    )
    for (const note of [
      /^1:19 data_type has no equal/,
      /^2:28 dims has no equal/,
      /^3:23 model_version 7 of away has no equal; Name the version in the url/,
    ])
      assert.ok(
        notes.some((one) => note.test(one)),
        `${note} in ${notes.join('\n')}`,
      )
    assert.equal(notes.filter((one) => / dims has/.test(one)).length, 1)
  })

  it('leads to no file outside of its model repository', () => {
    writeFileSync(join(directory, 'config.pbtxt'), 'platform: "onnxruntime_onnx"')
    const { bees } = imported(
      'repo/bad/config.pbtxt',
      'input { name: "x" } output { name: "y" } ensemble_scheduling { step { model_name: ".." input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } } }',
    )
    assert.equal(bees.imported?.type, 'http-call')
  })
})

const pipeline = `apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {name: left}
spec: {storageUri: "gs://models/left", requirements: [onnx], memory: 100Ki}
---
apiVersion: mlops.seldon.io/v1alpha1
kind: Model
metadata: {name: right}
spec:
  storageUri: "s3://models/right"
  requirements: [tensorflow]
  replicas: 2
---
# The graph itself.
apiVersion: mlops.seldon.io/v1alpha1
kind: Pipeline
metadata:
  name: joined
spec:
  steps:
    - name: sum
      inputs: [left.outputs.OUTPUT0, right.outputs.OUTPUT1]
      tensorMap: {left.outputs.OUTPUT0: INPUT0, right.outputs.OUTPUT1: INPUT1}
      joinWindowMs: 500
      inputsJoinType: outer
    - name: left
      batch: {size: 4, rolling: true}
    - name: right
      inputs: [joined.inputs.PHOTO]
      triggers: [left.outputs.OK]
    - name: any
      inputs: [left, right]
      inputsJoinType: any
  output: {steps: [sum, any]}
`

describe('A Pipeline of Seldon Core 2', () => {
  it('becomes bees with joins, merges and maps, and its models run if their requirements have an equivalent', () => {
    const { bees, notes } = imported('pipeline.yaml', pipeline)
    const input = (name: string, from: string) => `{name: '${name}', datatype: 'FP32', shape: [\`1\`, length(${from})], data: [${from}]}`
    assert.deepEqual(bees, {
      'joined-input': { type: 'gateway-input', spec: { name: 'joined' } },
      'left-input': { type: 'map', input: { name: 'joined-input' }, spec: { expression: 'from_items(inputs[*].[name, data])' } },
      'left-batch': { type: 'batch', input: { name: 'left-input' }, spec: { batch_size: 4, timeout_seconds: 0.1 } },
      left: { type: 'tensor-rt', input: { name: 'left-batch' }, spec: { model: 'gs://models/left' } },
      'right-input': { type: 'map', input: { name: 'joined-input' }, spec: { expression: `{"PHOTO": (inputs[?name=='PHOTO'].data | [0])}` } },
      right: { type: 'tf-serving', input: { name: 'right-input' }, spec: { model: 's3://models/right' } },
      'sum-input': {
        type: 'map',
        input: { join: ['left', 'right'] },
        timeout_seconds: 0.5,
        on_timeout: 'partial',
        spec: { expression: `{inputs: [[${input('INPUT0', '"left"."OUTPUT0"')}], [${input('INPUT1', '"right"."OUTPUT1"')}]][]}` },
      },
      sum: { type: 'http-call', input: { name: 'sum-input' }, spec: { url: 'http://localhost:9000/v2/models/sum/infer', idempotent: true } },
      'any-input': { type: 'merge', input: { stack: ['left', 'right'] } },
      'any-input-form': {
        type: 'map',
        input: { name: 'any-input' },
        spec: { expression: `{inputs: items(@)[*].${input('x', '@[1]').replace("'x'", '@[0]').replace('[@[1]]', '@[1]')}}` },
      },
      any: { type: 'http-call', input: { name: 'any-input-form' }, spec: { url: 'http://localhost:9000/v2/models/any/infer', idempotent: true } },
      'joined-output': { type: 'map', input: { join: ['sum', 'any'] }, spec: { expression: '{outputs: ["sum".outputs, "any".outputs][]}' } },
      answer: { type: 'respond', input: { name: 'joined-output' } },
    })
    for (const note of [
      /^4:\d+ memory has no equal; Nothing/,
      /^12:3 replicas has no equal; Set replicas of the bee/,
      /^26:\d+ rolling has no equal|^27:\d+ rolling has no equal/,
      /^\d+:\d+ Waggle fetches nothing from gs:\/\/models\/left; .*resolve:/,
      /^30:7 triggers has no equal; .*filter or route/,
      /^21:\d+ the file has no Model named sum/,
      /^21:5 a request is the body of an inference request, because a step calls a model server; Send /,
      /^21:\d+ the result of a model bee has no types and shapes/,
    ])
      assert.ok(
        notes.some((one) => note.test(one)),
        `${note} in ${notes.join('\n')}`,
      )
  })

  it('is imported with a warning for join settings on a step that does not join', () => {
    const { notes } = imported(
      'no-join.yaml',
      `kind: Pipeline
spec:
  steps:
    - {name: a, inputsJoinType: outer}
    - {name: b, inputs: [a], joinWindowMs: 10}
    - {name: c, inputs: [a, b], inputsJoinType: any, joinWindowMs: 10}
    - {name: d, inputs: [a, b], inputsJoinType: outer, joinWindowMs: 10}
  output: {steps: [c, d], stepsJoin: outer}
`,
    )
    assert.deepEqual(
      notes.filter((note) => /does not join/.test(note)).map((note) => note.replace(/:\d+ (\w+) .*/, ' $1')),
      ['4 inputsJoinType', '5 joinWindowMs', '6 joinWindowMs'],
    )
  })

  it('is refused with the place of a mistake inside it', () => {
    const head = 'kind: Pipeline\nmetadata: {name: p}\nspec:\n  steps:\n'
    for (const [text, message] of [
      [`${head}    - {name: a, inputs: [b]}\n    - {name: b, inputs: [a]}\n`, /5:25: the steps a, b wait for each other/],
      [`${head}    - {name: a, inputs: [c.outputs.x]}\n`, /5:7: c\.outputs\.x names no step of this pipeline; Use one of p/],
      [`${head}    - {name: a}\n    - {name: a}\n`, /6:14: there are two steps named a/],
      [`${head}    - {inputs: a}\n`, /5:\d+: (name is missing|inputs must be a list of texts)/],
      ['kind: Pipeline\nspec: {}\n', /there are no steps/],
      [`${head}${Array.from({ length: 501 }, (_, at) => `    - {name: a${at}}\n`).join('')}`, /the graph becomes more than 500 bees/],
      ['kind: Deployment\n', /1:1: the file has Deployment, and no graph; Name a config\.pbtxt/],
      ['kind: Pipeline\nspec: {steps: [{name: a}]}\n---\nkind: Pipeline\n', /4:7: a second graph begins here/],
      ['kind: Pipeline\nspec: !!js/function x\n', /2:\d+/],
    ] as const)
      assert.match(refused('wrong.yaml', text), message)
  })
})

const graph = `apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: animals, namespace: zoo}
spec:
  timeout: 60
  nodes:
    root:
      routerType: Sequence
      steps:
        - {serviceName: cat-dog, name: cat_dog}
        - nodeName: breeds
          name: breeds
          data: $response
          condition: "[@this].#(predictions.0==\\"dog\\")"
    breeds:
      routerType: Switch
      steps:
        - {serviceUrl: "http://large.zoo/predict", name: large, condition: "[@this].#(size>=10)"}
        - {nodeName: both, name: small, condition: "size < 10 && x"}
    both:
      routerType: Ensemble
      steps:
        - {serviceName: one, dependency: Soft}
        - {nodeName: canary, name: two}
    canary:
      routerType: Splitter
      steps:
        - {serviceName: stable, weight: 80}
        - {serviceName: new-one, weight: 20}
`

describe('An InferenceGraph of KServe', () => {
  it('becomes calls of its services, with filters, routes, joins and merges', () => {
    const { bees, notes } = imported('graph.yaml', graph)
    const service = (name: string, input: string) => ({
      type: 'http-call',
      input: { name: input },
      spec: { url: `http://${name}.zoo.svc.cluster.local/v1/models/${name}:predict`, idempotent: true },
    })
    const branch = (name: string) => ({ type: 'filter', input: { name }, spec: { condition: '`true`' } })
    assert.deepEqual(bees, {
      'animals-input': { type: 'gateway-input', spec: { name: 'animals' } },
      'cat-dog': service('cat-dog', 'animals-input'),
      'breeds-condition': {
        type: 'route',
        input: { name: 'cat-dog' },
        spec: { routes: { 'breeds-input': `"predictions"[0] == 'dog'` }, default: 'breeds-left-out' },
      },
      'breeds-input': { type: 'map', input: { name: 'breeds-condition' }, spec: { expression: '@' } },
      'breeds-left-out': { type: 'map', input: { name: 'breeds-condition' }, spec: { expression: '@' } },
      'breeds-switch': {
        type: 'route',
        input: { name: 'breeds-input' },
        spec: { routes: { 'large-branch': 'not_null("size" >= `10`, `false`)', 'small-branch': '`false`' } },
      },
      'large-branch': branch('breeds-switch'),
      large: { type: 'http-call', input: { name: 'large-branch' }, spec: { url: 'http://large.zoo/predict', idempotent: true } },
      'small-branch': branch('breeds-switch'),
      one: service('one', 'small-branch'),
      'canary-splitter': {
        type: 'route',
        input: { name: 'small-branch' },
        spec: { routes: { 'new-one-branch': "split == 'new-one'" }, default: 'stable-branch' },
      },
      'stable-branch': branch('canary-splitter'),
      stable: service('stable', 'stable-branch'),
      'new-one-branch': branch('canary-splitter'),
      'new-one': service('new-one', 'new-one-branch'),
      'canary-result': { type: 'merge', input: { stack: ['stable', 'new-one'] } },
      'both-ensemble': {
        type: 'map',
        input: { join: ['one', 'canary-result'] },
        on_error: 'skip',
        on_timeout: 'partial',
        spec: { expression: '{"one": "one", "two": "canary-result"}' },
      },
      'breeds-result': { type: 'merge', input: { stack: ['large', 'both-ensemble'] } },
      'root-result': { type: 'merge', input: { stack: ['breeds-result', 'breeds-left-out'] } },
      answer: { type: 'respond', input: { name: 'root-result' } },
    })
    for (const note of [
      /^5:3 timeout has no equal; Set timeout_seconds/,
      /^19:\d+ the condition size < 10 && x cannot be translated/,
      /^29:\d+ the weight 20 of new-one has no equal/,
      /^7:5 the services cat-dog\.zoo\.svc\.cluster\.local, .* are not on this machine; Allow them: WAGGLE_HTTP_CALL_HOSTS=/,
    ])
      assert.ok(
        notes.some((one) => note.test(one)),
        `${note} in ${notes.join('\n')}`,
      )
  })

  it('is imported with a warning for nodes that no step reaches, and for settings that a router does not read', () => {
    const { notes } = imported(
      'notes.yaml',
      `kind: InferenceGraph
spec:
  nodes:
    root:
      routerType: Splitter
      steps:
        - {serviceName: a, weight: 1, condition: "size>=10"}
        - {serviceName: b, weight: 1, dependency: Soft, data: $response}
    alone: {routerType: Sequence, steps: [{nodeName: behind}]}
    behind: {routerType: Sequence, steps: [{serviceName: c}]}
`,
    )
    for (const note of [
      /^7:\d+ condition of a step has no meaning in a Splitter; Remove it, or use Sequence or Switch/,
      /^8:\d+ dependency of a step has no meaning in a Splitter/,
      /^8:\d+ data of a step has no meaning in a Splitter/,
      /^9:\d+ no step leads to the node alone, so it is left out/,
      /^10:\d+ no step leads to the node behind/,
    ])
      assert.ok(
        notes.some((one) => note.test(one)),
        `${note} in ${notes.join('\n')}`,
      )
    assert.equal(notes.filter((one) => /no meaning/.test(one)).length, 3)
  })

  it('is refused with the place of a mistake inside it, and if it becomes more than 500 bees', () => {
    const head = 'kind: InferenceGraph\nspec:\n  nodes:\n'
    const doubling = Array.from(
      { length: 30 },
      (_, at) => `    ${at === 0 ? 'root' : `n${at}`}: {routerType: Ensemble, steps: [{nodeName: n${at + 1}}, {nodeName: n${at + 1}}]}\n`,
    ).join('')
    const chain = Array.from(
      { length: 3000 },
      (_, at) => `    ${at === 0 ? 'root' : `n${at}`}: {routerType: Sequence, steps: [{nodeName: n${at + 1}}]}\n`,
    ).join('')
    for (const [text, message] of [
      [`${head}    start: {}\n`, /there is no node root/],
      [`${head}    root: {routerType: Sequence, steps: [{nodeName: root}]}\n`, /the node root leads back to itself/],
      [`${head}    root: {routerType: Sequence, steps: [{nodeName: roof}]}\n`, /there is no node roof; Use one of root/],
      [`${head}    root: {routerType: Any, steps: [{serviceName: a}]}\n`, /there is no router type "Any"; Use Sequence/],
      [`${head}    root: {routerType: Sequence, steps: []}\n`, /the node root has no steps/],
      [`${head}    root: {routerType: Sequence, steps: [{name: a}]}\n`, /names no service and no node/],
      [`${head}    root: {routerType: Sequence, steps: [{serviceUrl: "not a url"}]}\n`, /not a url is not a URL/],
      [
        `${head}${chain}    n3000: {routerType: Sequence, steps: [{serviceName: a}]}\n`,
        /100 nodes lead to the node n100, .*; Write the steps of a chain/,
      ],
      [`${head}${doubling}    n30: {routerType: Sequence, steps: [{serviceName: a}]}\n`, /the graph becomes more than 500 bees/],
    ] as const)
      assert.match(refused('wrong-graph.yaml', text), message)
  })
})

describe('An import', () => {
  it('gives the gateway a valid name if the graph’s own name is not valid, and a note says so', () => {
    const { bees, notes } = imported('names/config.pbtxt', 'name: "Add_2" input { name: "x" } output { name: "x" } ensemble_scheduling {}')
    assert.deepEqual(bees['add-2-input'], { type: 'gateway-input', spec: { name: 'add-2' } })
    assert.match(
      notes[0] ?? '',
      /^1:1 the gateway is named add-2, because Add_2 cannot be the name of one; Send requests to \/v1\/gateways\/add-2\/request\./,
    )
    const sequence = (steps: string) =>
      `kind: InferenceGraph\nmetadata: {name: dogs}\nspec: {nodes: {root: {routerType: Sequence, steps: [${steps}]}}}\n`
    const first = imported('first.yaml', sequence(`{serviceName: a, dependency: Soft, condition: '[@this].#(size>1)'}, {serviceName: b}`))
    assert.deepEqual(first.bees['a-condition']?.spec, { condition: 'not_null("size" > `1`, `false`)' })
    for (const note of [
      / the first step has no response before it/,
      / a step that fails ends the request, also a soft one/,
      / a step that takes \$request runs beside/,
    ])
      assert.ok(
        first.notes.some((one) => note.test(one)),
        `${note} in ${first.notes.join('\n')}`,
      )
  })

  it('refuses a file that is too large, is not text, or is not a graph', () => {
    writeFileSync(join(directory, 'large.yaml'), ' '.repeat(1024 * 1024 + 1))
    assert.throws(() => importedSwarm(join(directory, 'large.yaml'), '.'), { code: 'WAGGLE_FILE_NOT_FOUND', message: /is larger than/ })
    assert.throws(() => importedSwarm(join(directory, 'nowhere.yaml'), '.'), { code: 'WAGGLE_FILE_NOT_FOUND' })
    writeFileSync(join(directory, 'binary.pbtxt'), Buffer.from([0x61, 0xff]))
    assert.throws(() => importedSwarm(join(directory, 'binary.pbtxt'), '.'), { code: 'WAGGLE_INVALID_SWARM', message: /is not UTF-8/ })
    assert.match(refused('empty.yaml', ''), /ensemble_scheduling is missing/)
  })

  it('counts each document of a file, and its time for each document does not depend on the number of documents', () => {
    const cpu = process.cpuUsage()
    assert.match(refused('scalars.yaml', `kind: Pipeline\n${'--- 1\n'.repeat(10_000)}`), /scalars\.yaml:101:1: the file has more than 100 documents/)
    assert.match(refused('comments.yaml', `${'---\n# none\n'.repeat(50_000)}---\nkind: Pipeline\n`), /comments\.yaml:100002:\d+: spec is missing/)
    const { user } = process.cpuUsage(cpu)
    assert.ok(user < 5e6, `${user / 1e6} s`)
  })

  it('names the line of a mistake in a later document', () => {
    assert.match(refused('later.yaml', 'kind: Model\n---\nkind: Pipeline\nspec: {a: 1, a: 2}\n'), /later\.yaml:4:\d+/)
    assert.match(refused('later-list.yaml', 'kind: Model\n---\nkind: Pipeline\nspec: []\n'), /later-list\.yaml:4:\d+: spec must be a map/)
  })
})
