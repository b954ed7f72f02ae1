import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const teddy = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'teddy-bear-detector', 'swarm.yaml')

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

function waggle(
  argv: readonly string[],
  { env = {}, input = '' }: { readonly env?: { readonly [name: string]: string }; readonly input?: string } = {},
) {
  return new Promise<Ended>((settle) => {
    const child = spawn(process.execPath, [main, ...argv], { env: { ...process.env, ...env } })
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.on('close', (status) => settle({ status, out, err }))
    child.stdin.end(input)
  })
}

const noTrace = /^\s+at .*\.ts:/m

describe('The command line', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-cli-'))
  const file = join(directory, 'swarm.yaml')
  const data = join(directory, 'data')
  const anyPorts = { WAGGLE_DATA_DIR: data, WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' }
  let program: MeasuredProgram

  before(async () => {
    writeFileSync(join(directory, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
    writeFileSync(file, swarm('small.onnx'))
    program = await MeasuredProgram.start([main, 'run', file, '--json'], anyPorts)
  })

  after(async () => {
    assert.equal(await program.stop(), 0)
    rmSync(directory, { recursive: true })
  })

  function swarm(model: string): string {
    return `name: small
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
  - { name: model, type: tensor-rt, input: { name: entrance }, spec: { model: ${model}, labels: [no, yes] } }
  - { name: answer, type: respond, input: { name: model } }
`
  }

  function written(name: string, text: string): string {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }

  it('sends a request from --data, a file or standard input, and prints the answer', async () => {
    const url = ['--url', program.ready.gateway]
    for (const { argv, input } of [
      { argv: ['--data', '[0,0,9,9]'], input: '' },
      { argv: [written('input.json', '[0,0,9,9]')], input: '' },
      { argv: ['-'], input: '[0,0,9,9]' },
    ]) {
      const { status, out, err } = await waggle(['request', 'door', ...argv, ...url], { input })
      assert.equal(status, 0, err)
      assert.equal((JSON.parse(out) as { label: string }).label, 'yes')
    }
  })

  it('submits a request, and prints the id under which the answer can be found', async () => {
    const { status, out } = await waggle(['submit', 'door', '--data', '[9,9,0,0]', '--url', program.ready.gateway])
    assert.equal(status, 0)
    assert.match(out, /^[0-9a-f-]{36}\n$/)
    assert.equal((await fetch(`${program.ready.gateway}/v1/requests/${out.trim()}`)).status, 200)
  })

  it('asks the process that has the data directory open if there is no --url', async () => {
    for (const env of [anyPorts, { WAGGLE_DATA_DIR: data, WAGGLE_HTTP_PORT: '1999' }]) {
      const { status, out, err } = await waggle(['request', 'door', '--data', '[0,0,9,9]'], { env })
      assert.equal(status, 0, err)
      assert.match(out, /"label":"yes"/)
    }
    const away = await waggle(['request', 'door', '--data', '1'], {
      env: { WAGGLE_DATA_DIR: join(directory, 'elsewhere'), WAGGLE_HTTP_PORT: '1999' },
    })
    assert.equal(away.status, 3)
    assert.match(away.err, /http:\/\/127\.0\.0\.1:1999 cannot be reached/)
  })

  it('exits with 1 and one line if a gateway refuses, and with 3 if the gateway cannot be reached', async () => {
    const refused = await waggle(['request', 'door', '--data', '[1]', '--url', program.ready.gateway])
    assert.equal(refused.status, 1)
    assert.match(refused.err, /^waggle: 422 .* at model: .*of shape \[4\].*The request id is .*\n$/)
    const unknown = await waggle(['request', 'window', '--data', '1', '--url', program.ready.gateway])
    assert.match(unknown.err, /404.*There is no gateway window; there is door/)
    const away = await waggle(['request', 'door', '--data', '1', '--url', 'http://127.0.0.1:1999'])
    assert.equal(away.status, 3)
    assert.match(away.err, /cannot be reached \(ECONNREFUSED\).*waggle run/)
  })

  it('exits with 0 for a correct file, and prints FILE:LINE:COL with status 1 for each mistake of a wrong file', async () => {
    assert.equal((await waggle(['validate', teddy])).status, 0)
    const wrong = written('wrong.yaml', swarm('small.onnx').replace('type: respond', 'type: respnd').replace('name: model }', 'name: modle }'))
    const { status, err, out } = await waggle(['validate', wrong])
    assert.equal(status, 1)
    const lines = `${out}${err}`.trim().split('\n')
    assert.ok(
      lines.some((line) => line.startsWith(`${wrong}:5:`) && /respond/.test(line)),
      lines.join('\n'),
    )
    const json = await waggle(['validate', wrong, '--json'])
    assert.equal(json.status, 1)
    assert.ok(JSON.parse(`${json.out}${json.err}`.trim().split('\n').at(-1) ?? ''))
    assert.equal((await waggle(['validate', join(directory, 'nowhere.yaml')])).status, 1)
  })

  it('reports each shape and label of a model that does not fit, with the place in the file', async () => {
    const model = (name: string, spec: string) => `  - { name: ${name}, type: tensor-rt, input: { name: entrance }, spec: { model: ${spec} } }\n`
    const wrong = written(
      'shapes.yaml',
      `name: shapes
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
${model('labelled', 'small.onnx, labels: [a, b, c]')}${model('absent', 'nowhere.onnx')}${model('elsewhere', 's3://far/away.onnx')}`,
    )
    const { status, err } = await waggle(['validate', wrong])
    assert.equal(status, 1)
    const lines = err.trim().split('\n')
    assert.equal(lines.length, 2, err)
    assert.match(lines[0] ?? '', /shapes\.yaml:4:\d+: small\.onnx gives 2 scores in probabilities, and spec\.labels names 3; Name 2 labels/)
    assert.match(lines[1] ?? '', /shapes\.yaml:5:\d+: There is no file .*nowhere\.onnx/)
  })

  it('prints a plan as text, JSON and Mermaid, with each cut and its reason', async () => {
    const text = await waggle(['plan', teddy])
    assert.match(text.out, /at a join: generate-prediction-from-ensemble waits for/)
    assert.match((await waggle(['plan', teddy, '--format', 'mermaid'])).out, /^flowchart LR/)
    const plan = JSON.parse((await waggle(['plan', teddy, '--format', 'json'])).out) as {
      readonly bees: readonly { readonly name: string }[]
      readonly subtopologies: readonly { readonly bees: readonly string[]; readonly cut: string }[]
      readonly topics: readonly { readonly name: string; readonly partitions: number }[]
    }
    assert.equal(plan.bees.length, 9)
    assert.deepEqual(
      plan.subtopologies.map(({ bees }) => bees.join(' ')),
      [
        'teddy-input-bee preprocess-images',
        'microbatching-requests inference-tensorflow',
        'microbatching-requests inference-pytorch',
        'microbatching-requests inference-svm',
        'generate-prediction-from-ensemble respond-to-user',
        'log-prediction-for-retraining',
      ],
    )
    assert.ok(plan.topics.some(({ name, partitions }) => name === 'waggle.gateway.teddybear-detector-gateway' && partitions === 4))
  })

  it('exits with 2 on wrong usage', async () => {
    for (const argv of [['fly'], ['run'], ['plan', teddy, '--format', 'pdf'], []]) assert.equal((await waggle(argv)).status, 2, argv.join(' '))
    assert.equal((await waggle(['--help'])).status, 0)
  })

  it('fails at start if the data directory or a port is in use', async () => {
    const locked = await waggle(['run', file], { env: anyPorts })
    assert.equal(locked.status, 3)
    assert.match(locked.err, /^waggle: Another process has .*\n$/m)
    const taken = createServer()
    const port = await new Promise<number>((settle) => taken.listen(0, '127.0.0.1', () => settle((taken.address() as { port: number }).port)))
    const { status, err } = await waggle(['run', file], {
      env: { ...anyPorts, WAGGLE_DATA_DIR: join(directory, 'other'), WAGGLE_HTTP_PORT: String(port) },
    })
    assert.equal(status, 3)
    assert.match(err, new RegExp(`Port ${port} of 127.0.0.1 is in use. .*WAGGLE_HTTP_PORT`))
    assert.doesNotMatch(`${locked.err}${err}`, noTrace)
    await new Promise((settle) => taken.close(settle))
  })

  it('runs on a cluster with --log or WAGGLE_LOG, and exits with 3 and the address if no broker answers', async () => {
    const env = { ...anyPorts, WAGGLE_DATA_DIR: join(directory, 'fourth') }
    const unnamed = await waggle(['run', file, '--log', 'kafka'], { env })
    assert.deepEqual([unnamed.status, /^KAFKA_BROKERS: .*Set KAFKA_BROKERS=host:port/.test(unnamed.err)], [1, true], unnamed.err)
    const down = await waggle(['run', file, '--log', 'kafka'], { env: { ...env, KAFKA_BROKERS: '127.0.0.1:1' } })
    assert.equal(down.status, 3)
    assert.match(down.err, /^waggle: No Kafka broker answers.*127\.0\.0\.1:1.*KAFKA_BROKERS\.\n$/)
    const overruled = await waggle(['topics', 'list', '--log', 'embedded', '--json'], {
      env: { ...env, WAGGLE_LOG: 'kafka', KAFKA_BROKERS: '127.0.0.1:1' },
    })
    assert.deepEqual([overruled.status, overruled.out], [0, '[]\n'], overruled.err)
    assert.equal((await waggle(['run', file, '--log', 'paper'])).status, 2)
    assert.doesNotMatch(`${unnamed.err}${down.err}`, noTrace)
    const { out } = await waggle(['run', '--help'])
    for (const variable of ['KAFKA_BROKERS', 'KAFKA_SASL_MECHANISM', 'WAGGLE_PROCESSING', 'WAGGLE_REPLY_TOPICS'])
      assert.ok(out.includes(variable), variable)
  })

  it('lists the topics of an embedded log, whether or not a process runs, and resets the log if no process runs', async () => {
    const env = { ...anyPorts, WAGGLE_DATA_DIR: join(directory, 'fifth') }
    const once = await MeasuredProgram.start([main, 'run', file, '--json'], env)
    const { status: asked } = await waggle(['request', 'door', '--data', '[0,0,9,9]', '--url', once.ready.gateway])
    assert.equal(asked, 0)
    assert.match((await waggle(['topics', 'list'], { env })).out, /^waggle\.gateway\.door +4 +delete +1$/m)
    assert.equal(await once.stop(), 0)
    const { out } = await waggle(['topics', 'list'], { env })
    assert.match(out, /^waggle\.gateway\.door +4 +delete +1$/m)
    const tailed = await waggle(['topics', 'tail', 'waggle.gateway.door', '--from-beginning', '--max', '1'], { env })
    assert.match(tailed.out, /^\d\/0 +\d{4}-\S+Z +\S+ +\[0,0,9,9\]\n$/)
    const unforced = await waggle(['reset', file], { env })
    assert.deepEqual([unforced.status, /--force/.test(unforced.err)], [2, true])
    assert.equal((await waggle(['reset', file, '--force'], { env })).status, 0)
    assert.equal((await waggle(['reset', file, '--dry-run'], { env })).out, 'There is nothing of it.\n')
  })

  it('reports a wrong model or setting with status 1 and without a stack trace', async () => {
    const env = { ...anyPorts, WAGGLE_DATA_DIR: join(directory, 'third') }
    const missing = await waggle(['run', written('missing.yaml', swarm('nowhere.onnx'))], { env })
    assert.deepEqual([missing.status, /There is no file .*nowhere\.onnx/.test(missing.err)], [1, true], missing.err)
    writeFileSync(join(directory, 'broken.onnx'), 'nonsense')
    const broken = await waggle(['run', written('broken.yaml', swarm('broken.onnx'))], { env })
    assert.deepEqual([broken.status, /broken\.onnx cannot be loaded/.test(broken.err)], [1, true], broken.err)
    const setting = await waggle(['run', file], { env: { ...env, WAGGLE_PARTITIONS: 'many' } })
    assert.deepEqual([setting.status, /WAGGLE_PARTITIONS/.test(setting.err)], [1, true], setting.err)
    const remote = await waggle(['run', file], { env: { ...env, WAGGLE_HOST: '0.0.0.0' } })
    assert.deepEqual([remote.status, /no tokens/.test(remote.err)], [1, true], remote.err)
    assert.doesNotMatch(`${missing.err}${broken.err}${setting.err}${remote.err}`, noTrace)
  })
})
