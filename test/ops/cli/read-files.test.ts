import assert from 'node:assert/strict'
import { closeSync, linkSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ReadFiles } from '../../../ops/cli/read-files.ts'

const swarm = `name: shelf
bees:
  - {name: entrance, type: gateway-input, spec: {name: shelf}}
  - {name: look, type: tensor-rt, input: {name: entrance}, spec: {model: ./models/bear.onnx}}
  - {name: svm, type: container, input: {name: look}, spec: {image: "localhost:32000/svm:latest", command: [sh, ./run/serve.sh]}}
  - {name: answer, type: respond, input: {name: svm}}
`
const config = `resolve:
  "s3://shelf/": ./bucket/
`

describe('The files that a swarm reads', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-read-'))
  after(() => rmSync(root, { recursive: true, force: true }))
  const at = (...parts: readonly string[]) => join(root, ...parts)
  writeFileSync(at('swarm.yaml'), swarm)
  writeFileSync(at('waggle.yaml'), config)
  const files = (descriptors: readonly number[] = []) =>
    new ReadFiles([at('swarm.yaml'), at('waggle.yaml')], { dataDirectory: at('data'), descriptors })

  it('are sources, what the swarm or the configuration names, what lies below or beside it, and no other files', () => {
    const read = files()
    const cases = {
      yes: 'swarm.yaml waggle.yaml work.mjs lib/deep/part.ts bee.py requirements.txt requirements-dev.txt .env .env.local table.sql schema.avsc results.json',
      named: 'models/bear.onnx models/bear.labels.txt models/bear.onnx.data run/serve.sh bucket bucket/deep/weights.bin',
      no: 'out.log notes.txt models/other.onnx run/other.sh photo.jpg nohup.out bucket2/weights.bin README.md results.jsonl',
      never: 'data/log/1.json .waggle/a.json node_modules/x/index.js .git/config.yaml a/__pycache__/b.py .venv/c.py',
      editors: '.work.mjs.swp work.mjs~ .#work.mjs #work.mjs# 4913',
    }
    const are = (list: string) => list.split(' ').map((name) => [name, read.has(at(name))])
    const all = (list: string, expected: boolean) =>
      assert.deepEqual(
        are(list),
        list.split(' ').map((name) => [name, expected]),
      )
    all(cases.yes, true)
    all(cases.named, true)
    all(cases.no, false)
    all(cases.never, false)
    all(cases.editors, false)
  })

  it('do not include the files that this process writes to, under any of their names', () => {
    writeFileSync(at('out.json'), '')
    linkSync(at('out.json'), at('linked.json'))
    writeFileSync(at('other.json'), '')
    const descriptor = openSync(at('out.json'), 'a')
    try {
      const read = files([descriptor])
      assert.deepEqual([read.has(at('out.json')), read.has(at('linked.json')), read.has(at('other.json'))], [false, false, true])
    } finally {
      closeSync(descriptor)
    }
  })

  it('do not include the data directory of another process', () => {
    mkdirSync(at('elsewhere', 'log'), { recursive: true })
    assert.equal(files().has(at('elsewhere', 'log', 'a.json')), true)
    writeFileSync(at('elsewhere', 'FORMAT'), '3\n')
    assert.equal(files().has(at('elsewhere', 'log', 'a.json')), false)
  })

  it('follow the names of a saved swarm, and stay those of before while it has a mistake', () => {
    const read = files()
    writeFileSync(at('swarm.yaml'), `${swarm}\n: [`)
    read.renew()
    assert.equal(read.has(at('models', 'bear.onnx')), true)
    writeFileSync(at('swarm.yaml'), swarm.replace('bear.onnx', 'other.onnx'))
    read.renew()
    assert.deepEqual([read.has(at('models', 'bear.onnx')), read.has(at('models', 'other.onnx'))], [false, true])
  })
})
