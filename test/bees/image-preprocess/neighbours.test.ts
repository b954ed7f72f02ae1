import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import sharp from 'sharp'
import type { BeePorts } from '../../../bees/define-bee.ts'
import { type CheckedBees, checkBees } from '../../../bees/hosting/check-bees.ts'
import { SwarmHost } from '../../../bees/hosting/host.ts'
import { BeeRegistry } from '../../../bees/registry.ts'
import { GuardedHttpCalls } from '../../../connectors/http-calls/guarded-http-calls.ts'
import { TensorFlowServing } from '../../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { decodePicture } from '../../../connectors/pictures/picture-decoder.ts'
import { PostgresServers } from '../../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../../connectors/postgres/postgres-hosts.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { AsyncCall } from '../../../topology/async-step.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import type { CheckedSwarm } from '../../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { Answered } from '../../../topology/swarm/request/answered.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'
import { pictureModel } from '../../support/picture-model.ts'

const directory = mkdtempSync(join(tmpdir(), 'waggle-pictures-'))
const registry = new BeeRegistry()
const models = new ThreadedModels({ requireGpu: false })
const resolve = async (name: string) => join(directory, name)
for (const [name, shape] of [
  ['rows', [2, 4, 3]],
  ['planes', [3, 2, 4]],
  ['larger', [3, 4, 4]],
  ['grey', [1, 2, 4]],
  ['any', [3, -1, -1]],
] as const)
  writeFileSync(join(directory, `${name}.onnx`), pictureModel(shape))
writeFileSync(join(directory, 'bytes.onnx'), pictureModel([2, 4, 3], 'UINT8'))

const photo = await sharp({ create: { width: 8, height: 4, channels: 3, background: '#ff8000' } })
  .png()
  .toBuffer()

/** A swarm with an image-preprocess bee on line 4, and with models on line 5 and later, which read it through a batch. */
function swarmOf(spec: string, files: readonly string[], modelSpec = '', more = ''): CheckedSwarm {
  const lines = files.map(
    (file, at) => `  - { name: ${file}-${at}, type: tensor-rt, input: { name: gather }, spec: { model: ${file}.onnx${modelSpec} } }\n`,
  )
  const yaml = `name: pictures
bees:
  - { name: input, type: gateway-input, spec: { name: door } }
  - { name: make, type: image-preprocess, input: { name: input }, spec: { ${spec} } }
${lines.join('')}${more}  - { name: gather, type: batch, input: { name: make }, spec: { batch_size: 2, timeout_seconds: 1 } }
`
  return checkSwarm(SwarmDocument.parse(yaml, 's.yaml'), registry)
}

function check(swarm: CheckedSwarm): Promise<CheckedBees> {
  const programs = { checkModule: async () => ({}), checkPython: async () => ({}), checkCommand: async () => {}, hasImage: async () => null }
  return checkBees(swarm, {
    registry,
    ports: {
      models,
      modelServers: new TensorFlowServing({ clock: systemClock }),
      postgres: new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(null) }),
      http: new GuardedHttpCalls({ clock: systemClock, hosts: null }),
      programs,
    },
    resolve,
    resolveCommand: () => null,
  })
}

/** The tensor of the photo, and the result of the first model for it. The model is opened before the first photo if `isOpen`. */
async function run(swarm: CheckedSwarm, isOpen = true): Promise<{ readonly image: unknown; readonly pixels: readonly number[] }> {
  const host = await SwarmHost.create({
    swarm: 'pictures',
    registry,
    ports: { models, pictures: { decode: decodePicture } } as Partial<BeePorts> as BeePorts,
    bees: swarm.bees,
    specOf: ({ spec }) => spec,
    fileAndLineOf: () => '',
    now: () => 0,
    after: () => () => {},
    resolve,
    resolveCommand: () => null,
    log: () => {},
  })
  const [, make, model] = swarm.bees
  assert.ok(make !== undefined && model !== undefined)
  const maker = await host.open(make, 1)
  const reader = isOpen ? await host.open(model, 1) : null
  const call = {
    key: 'a',
    headers: [],
    metadata: { topic: '', partition: 0, offset: 0n },
    signal: new AbortController().signal,
    attempt: 1,
    timestamp: 0,
  }
  const one = async (worker: typeof maker, input: Payload): Promise<Payload> => {
    const [outcome] = await worker.call([input], [call as unknown as AsyncCall<string>])
    if (outcome === undefined || outcome instanceof Error || outcome instanceof Answered) throw outcome ?? new Error('There is no outcome.')
    return outcome
  }
  try {
    const made = await one(maker, { kind: 'bytes', bytes: photo, contentType: 'image/png' })
    assert.equal(made.kind, 'tensors')
    const { image } = (made as Extract<Payload, { kind: 'tensors' }>).tensors
    const answer = reader === null ? null : await one(reader, made)
    const pixels = answer === null ? [] : (JSON.parse(JSON.stringify(answer)) as { json: { pixels: number[][][] } }).json.pixels.flat(2)
    return { image: { datatype: image?.datatype, shape: image?.shape }, pixels }
  } finally {
    await maker.close?.()
    await reader?.close?.()
  }
}

const near = (values: readonly number[], wanted: readonly number[]) => {
  assert.equal(values.length, wanted.length)
  for (const [at, value] of values.entries()) assert.ok(Math.abs(value - (wanted[at] ?? 0)) < 0.01, `${values}`)
}
const planes = (r: number, g: number, b: number) => [r, g, b].flatMap((value) => Array<number>(8).fill(value))
const rows = (r: number, g: number, b: number) => Array.from({ length: 8 }, () => [r, g, b]).flat()

describe('An image-preprocess bee between its neighbours', () => {
  after(() => rmSync(directory, { recursive: true }))

  it('makes a picture in the size that a model after a batch takes, and the model converts type and layout', async () => {
    const { image, pixels } = await run(swarmOf('', ['planes']))
    assert.deepEqual(image, { datatype: 'UINT8', shape: [2, 4, 3] })
    near(pixels, planes(255, 128, 0))
  })

  it('asks only the readers that are models for their pictures', async () => {
    for (const spec of ['image: "elsewhere/svm:1"', 'command: [node, ./svm.ts]']) {
      const beside = `  - { name: svm, type: container, input: { name: gather }, spec: { ${spec} } }\n`
      assert.deepEqual((await run(swarmOf('', ['planes'], '', beside))).image, { datatype: 'UINT8', shape: [2, 4, 3] })
      assert.deepEqual((await run(swarmOf('resize: 2', ['planes'], '', beside))).image, { datatype: 'UINT8', shape: [2, 4, 3] })
    }
  })

  it('makes the same picture if the model runs in another process', async () => {
    assert.deepEqual((await run(swarmOf('', ['planes']), false)).image, { datatype: 'UINT8', shape: [2, 4, 3] })
  })

  it('normalises to the same values as the model after it would', async () => {
    const normalize = 'normalize: { mean: [0.5, 0.25, 0.125], std: [0.5, 0.25, 0.5] }'
    const wanted = planes(1, (128 / 255 - 0.25) / 0.25, -0.25)
    const here = await run(swarmOf(normalize, ['planes']))
    assert.deepEqual(here.image, { datatype: 'FP32', shape: [3, 2, 4] })
    near(here.pixels, wanted)
    near((await run(swarmOf('', ['planes'], `, ${normalize}`))).pixels, wanted)
    near((await run(swarmOf('', ['rows'], `, ${normalize}`))).pixels, rows(1, (128 / 255 - 0.25) / 0.25, -0.25))
  })

  it('makes exactly the type and shape of a model with one grey channel', async () => {
    const { image, pixels } = await run(swarmOf('', ['grey']))
    assert.deepEqual(image, { datatype: 'FP32', shape: [1, 2, 4] })
    near(pixels, Array<number>(8).fill(151))
  })

  it('makes the type and layout of a model that takes any size, in the size of the spec or of the picture', async () => {
    const own = await run(swarmOf('', ['any']), false)
    assert.deepEqual(own.image, { datatype: 'FP32', shape: [3, 4, 8] })
    const { image, pixels } = await run(swarmOf('resize: [2, 4]', ['any']))
    assert.deepEqual(image, { datatype: 'FP32', shape: [3, 2, 4] })
    near(pixels, planes(255, 128, 0))
  })

  it('passes validate without a warning, and validate shows its output', async () => {
    const { found, warnings } = await check(swarmOf('', ['planes', 'rows']))
    assert.equal(found.get('make')?.summary, 'gives image (UINT8 [2, 4, 3])')
    assert.deepEqual(warnings, [])
  })

  it('gets a warning at its spec if its readers take different sizes', async () => {
    const { warnings } = await check(swarmOf('', ['planes', 'larger']))
    assert.match(
      warnings.map(({ place, message }) => `${place} ${message}`).join('\n'),
      /^s\.yaml:4:\d+ .*planes-0 takes 2 × 4 .*larger-1 takes 4 × 4/,
    )
  })

  it('is reported as a mistake at each edge to a model that cannot take the picture which the spec makes', async () => {
    const said = async (spec: string, files: readonly string[], modelSpec = '') =>
      check(swarmOf(spec, files, modelSpec)).then(
        () => '',
        (error: Error) => error.message,
      )
    const floats = await said('normalize: { mean: 0.5, std: 0.5 }', ['planes', 'rows', 'larger'])
    assert.match(floats, /s\.yaml:6:\d+: make gives image as FP32 \[3, /)
    assert.doesNotMatch(floats, /s\.yaml:4:/)
    assert.match(
      await said('resize: [2, 4], layout: NCHW', ['rows']),
      /s\.yaml:5:\d+: make gives image as UINT8 \[3, 2, 4\], where image \(FP32 \[2, 4, 3\]\)/,
    )
    assert.match(await said('channels: 1', ['planes']), /s\.yaml:5:\d+: make gives image as UINT8 \[2, 4, 1\]/)
    assert.match(await said('resize: 8, crop: 9', ['planes']), /s\.yaml:4:\d+: crop takes 9 × 9/)
    assert.match(await said('', ['bytes'], ', normalize: { mean: 0.5, std: 0.5 }'), /s\.yaml:5:\d+: .*UINT8, which cannot hold the fractions/)
  })

  it('is reported as a mistake with its place in the file if a setting has the wrong type or is out of range', () => {
    for (const [spec, said] of [
      ['crop: 0', /crop must be >= 1, not 0/],
      ['crop: [0, 5]', /must be >= 1/],
      ['resize: [224]', /resize must NOT have fewer than 2 items/],
      ['resize: big', /resize must be an integer or array/],
      ['resize: 5000', /must be <= 4096/],
      ['fit: inside', /fit cannot be "inside"/],
      ['pad: red', /pad must match pattern/],
      ['normalize: { mean: 0.5 }', /std is missing/],
      ['normalize: { mean: 0.5, std: 0 }', /must be > 0/],
      ['normalise: { mean: 0.5, std: 0.5 }', /unknown key normalise.*did you mean normalize/s],
      ['channels: 4', /channels cannot be 4/],
      ['datatype: INT8', /datatype cannot be "INT8"/],
    ] as const)
      assert.throws(() => swarmOf(spec, ['planes']), said)
  })
})
