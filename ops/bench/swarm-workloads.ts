import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { smallModel } from './small-model.ts'

/** A swarm, and the requests that callers send to it. */
export interface SwarmWorkload {
  readonly name: string
  readonly file: string
  readonly gateway: string
  readonly contentType: string
  readonly bodies: readonly Buffer[]
}

export function teddyWorkload(): SwarmWorkload {
  const directory = resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector')
  const photos = join(directory, 'photos')
  return {
    name: 'teddy-bear-detector',
    file: join(directory, 'swarm.yaml'),
    gateway: 'teddybear-detector-gateway',
    contentType: 'image/jpeg',
    bodies: readdirSync(photos)
      .filter((name) => name.endsWith('.jpg'))
      .map((name) => readFileSync(join(photos, name))),
  }
}

/** A swarm of three small models, which cost almost no time. A measurement therefore shows the cost of everything except the models. */
export function smallWorkload(): SwarmWorkload {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  for (const name of names) writeFileSync(join(directory, `${name}.onnx`), smallModel({ features, labels: 2 }))
  writeFileSync(join(directory, 'swarm.yaml'), swarmOfThree())
  const body = (seed: number) => Buffer.from(JSON.stringify(Array.from({ length: features }, (_, at) => ((at * 31 + seed * 17) % 100) / 100)))
  return {
    name: 'three small ONNX models',
    file: join(directory, 'swarm.yaml'),
    gateway: 'small',
    contentType: 'application/json',
    bodies: Array.from({ length: 16 }, (_, seed) => body(seed)),
  }
}

const features = 64
const names = ['one', 'two', 'three']

function swarmOfThree(): string {
  const models = names
    .map((name) => `  - { name: ${name}, type: tensor-rt, input: { name: batched }, spec: { model: ./${name}.onnx, labels: [no, yes] } }`)
    .join('\n')
  return `name: small
bees:
  - { name: entrance, type: gateway-input, spec: { name: small } }
  - { name: batched, type: batch, input: { name: entrance }, spec: { batch_size: 10, timeout_seconds: 0.1 } }
${models}
  - { name: ensemble, type: weighted-average-ensemble, input: { join: [${names}] }, spec: {} }
  - { name: answer, type: respond, input: { name: ensemble } }
  - { name: saved, type: save-to-database, input: { stack: [${names}] }, spec: { table: small } }
`
}
