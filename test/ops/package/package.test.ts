import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { cloneToPack } from '../../support/packed-clone.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const env = { ...process.env, PATH: dirname(process.execPath) + delimiter + (process.env.PATH ?? '') }

describe('The package', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-package-'))
  const clone = join(directory, 'clone')
  const place = join(directory, 'empty')
  let packed: { readonly filename: string; readonly size: number; readonly files: readonly { readonly path: string }[] }

  before(() => {
    cloneToPack(clone)
    // An interrupted pack leaves the clone in this state.
    done(process.execPath, [join('ops', 'package', 'prepack.ts')], clone)
    const told: unknown = JSON.parse(done('npm', ['pack', '--json', '--pack-destination', directory], clone))
    packed = (told as [typeof packed])[0]
    mkdirSync(place)
    write('package.json', '{"name":"newcomer","private":true,"type":"module"}')
    done('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', join(directory, packed.filename)], place)
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  function write(file: string, text: string | Uint8Array): string {
    mkdirSync(dirname(join(place, file)), { recursive: true })
    writeFileSync(join(place, file), text)
    return join(place, file)
  }

  it('contains compiled files with types and maps, no tests or models, and only one small photo', () => {
    const paths = packed.files.map(({ path }) => path)
    const sources = paths
      .filter((path) => path.endsWith('.js') && !/\/(templates|page\/assets)\//.test(path))
      .map((path) => path.slice(0, -'.js'.length))
    assert.ok(sources.includes('dist/ops/index') && sources.includes('dist/ops/streams/worker-program'))
    for (const source of sources) for (const ending of ['.d.ts', '.js.map']) assert.ok(paths.includes(source + ending), source + ending)
    assert.deepEqual(
      paths
        .filter((path) => path !== 'dist/ops/init/templates/teddy/photos/teddy.webp')
        .filter((path) => /^(test|swarms)\/|\.(onnx|pb|jpe?g|png|webp)$/.test(path) || /(?<!\.d)\.ts$/.test(path.replace(/.*\/templates\/.*/, ''))),
      [],
    )
  })

  it('has source maps with the lines of the sources, and empty lines in place of comments', () => {
    const folder = join(place, 'node_modules', 'waggle-streams', 'dist')
    const map = JSON.parse(readFileSync(join(folder, 'processor/commit/commit-order.js.map'), 'utf8')) as SourceMapPayload
    const mapped = map.sourcesContent[0]
    const lines = readFileSync(join(root, 'processor/commit/commit-order.ts'), 'utf8').split('\n')
    const isComment = (line: string) => /^\s*(?:\/\/|\/?\*)/.test(line)
    assert.ok(lines.some(isComment))
    assert.deepEqual(
      mapped?.split('\n'),
      lines.map((line) => (isComment(line) ? '' : line)),
    )
    const compiled = readFileSync(join(folder, 'processor/commit/commit-order.js'), 'utf8').split('\n')
    const calls = compiled.flatMap((line, at) => (/\w+\(.*\)/.test(line) ? [{ line, at }] : []))
    assert.ok(calls.length > 5)
    const entries = new SourceMap(map)
    for (const { line, at } of calls) {
      const [called = ''] = /\w+(?=\()/.exec(line) ?? []
      const { originalLine = -1 } = entries.findEntry(at, line.indexOf(called)) as { originalLine?: number }
      assert.ok(lines[originalLine]?.includes(called), `${line} is line ${originalLine + 1}: ${lines[originalLine]}`)
    }
  })

  it('has the comments of declarations that users import, and no others', () => {
    const declarations = (file: string) => readFileSync(join(place, 'node_modules', 'waggle-streams', 'dist', file), 'utf8')
    for (const file of [
      'topology/streams/kstream.d.ts',
      'ops/streams/streams.d.ts',
      'ops/testing/swarm-test-driver.d.ts',
      'bees/define-bee.d.ts',
      'connectors/schema-registry/schema-registry.d.ts',
    ])
      assert.match(declarations(file), /^ *\/\*\*/m, file)
    for (const file of ['processor/task/task.d.ts', 'connectors/log/embedded/commit-cycle.d.ts', 'ops/beekeeper/beekeeper.d.ts'])
      assert.doesNotMatch(declarations(file), /\/\*\*/, file)
  })

  it('is smaller than 3 MB', () => {
    assert.ok(packed.size < 3_000_000, `${packed.size} bytes`)
  })

  it('has each page to which its README, its pages and its error texts refer', () => {
    const folder = join(place, 'node_modules', 'waggle-streams')
    const paths = new Set(packed.files.map(({ path }) => path))
    const pages = [...paths].filter((path) => path.endsWith('.md') && !path.includes('/templates/'))
    assert.ok(pages.length > 25, `${pages.length} pages`)
    const linked = pages.flatMap((page) =>
      [...readFileSync(join(folder, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => join(dirname(page), target)),
    )
    const named = [...paths]
      .filter((path) => path.endsWith('.js'))
      .flatMap((path) => readFileSync(join(folder, path), 'utf8').match(/(?:docs|bees)\/[\w/-]+\.md/g) ?? [])
    assert.ok(linked.length > 50 && named.length > 5, `${linked.length} links, ${named.length} names`)
    assert.deepEqual(
      [...linked, ...named].filter((path) => !paths.has(path)),
      [],
    )
    assert.ok(done('npx', ['waggle', '--help'], place).includes(folder))
  })

  it('leaves package.json unchanged, even after an interrupted npm pack', () => {
    assert.equal(readFileSync(join(clone, 'package.json'), 'utf8'), readFileSync(join(root, 'package.json'), 'utf8'))
  })

  it('runs a DSL program in JavaScript, on the embedded log and in worker threads', () => {
    write('visits.js', visits)
    const file = write('program.js', program)
    assert.equal(done(process.execPath, [file], place), 'a 1\na 2\nb 1\n')
  })

  it('makes a project that depends on the packed file, and tests, type-checks and runs its TypeScript program', () => {
    done('npx', ['waggle', 'init', 'streams', '--template', 'streams'], place)
    const { dependencies } = JSON.parse(readFileSync(join(place, 'streams', 'package.json'), 'utf8')) as { readonly dependencies: object }
    assert.deepEqual(dependencies, { 'waggle-streams': `file:${join(directory, packed.filename)}` })
    write(
      'streams/pictures.ts',
      `import { decodePicture } from 'waggle-streams/pictures'\nexport const decode: typeof decodePicture = decodePicture\n`,
    )
    write(
      'streams/client.ts',
      `import { Gateway } from 'waggle-streams/client'\nexport const id: Promise<string> = new Gateway().submit(1, { gateway: 'g' })\n`,
    )
    for (const module of ['nodenext', 'bundler']) {
      const compilerOptions = {
        strict: true,
        skipLibCheck: false,
        target: 'es2024',
        lib: ['es2024', 'esnext.disposable'],
        types: ['node'],
        typeRoots: [join(root, 'node_modules', '@types')],
        allowImportingTsExtensions: true,
        noEmit: true,
        ...(module === 'bundler' ? { module: 'esnext', moduleResolution: 'bundler' } : { module }),
      }
      const config = write(`streams/tsconfig.${module}.json`, JSON.stringify({ compilerOptions, include: ['*.ts'] }))
      done(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', config], place)
    }
    assert.match(done('npm', ['test'], join(place, 'streams')), /^ℹ tests 1$/m)
    assert.match(done('npm', ['start'], join(place, 'streams')), /^be 2$/m)
  })

  it('runs new swarms with a module, a model and ClickHouse with npx waggle, and ends on a signal', async () => {
    done('npx', ['waggle-streams', 'init', 'hello'], place)
    done('npx', ['waggle', 'init', 'teddy', '--template', 'teddy'], place)
    for (const project of ['hello', 'teddy']) assert.match(done('npm', ['test'], join(place, project)), /^ℹ tests 2$/m)
    write('model/small.onnx', smallModel({ features: 4, labels: 2 }))
    write('model/swarm.yaml', modelSwarm)
    const files = ['hello', 'teddy', 'model'].map((folder) => join(folder, 'swarm.yaml'))
    assert.equal(done('npx', ['waggle', 'validate', ...files], place).match(/no mistakes/g)?.length, 3)
    await whileRunning(files, async (ask) => {
      assert.deepEqual(await ask('hello', '{"name":"bear"}'), { status: 200, body: '{"greeting":"Hello, bear!"}' })
      assert.match((await ask('small', '[1, 2, 3, 4]')).body, /"label":"(no|yes)"/)
      const photo = readFileSync(join(place, 'teddy', 'photos', 'teddy.webp'))
      assert.match((await ask('teddy', photo, 'image/webp')).body, /"label":"teddy"/)
    })
  })

  it('runs a new swarm with a Python function whose own tests pass', async () => {
    done('npx', ['waggle', 'init', 'python', '--template', 'python'], place)
    assert.match(done('npm', ['test'], join(place, 'python')), /^ℹ pass 1$/m)
    await whileRunning([join('python', 'swarm.yaml')], async (ask) => {
      assert.deepEqual(await ask('hello', '{"name":"bear"}'), { status: 200, body: '{"greeting":"Hello, bear!"}' })
      assert.equal((await ask('hello', '{}')).status, 422)
    })
  })

  /** Runs these swarms with npx, and ends them with a signal. */
  async function whileRunning(files: readonly string[], act: (ask: Ask) => Promise<void>): Promise<void> {
    const running = spawn('npx', ['waggle', 'run', ...files, '--json'], {
      cwd: place,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...env, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' },
    })
    const ended = new Promise((settle) => running.on('close', settle))
    try {
      const gateway = await readyGateway(running.stdout)
      const ask: Ask = async (name, body, type = 'application/json') => {
        const answer = await fetch(`${gateway}/v1/gateways/${name}/request`, { method: 'POST', body, headers: { 'content-type': type } })
        return { status: answer.status, body: await answer.text() }
      }
      await act(ask)
    } finally {
      if (running.pid !== undefined) process.kill(-running.pid, 'SIGTERM')
      await ended
    }
  }
})

type Ask = (gateway: string, body: string | Buffer, type?: string) => Promise<{ readonly status: number; readonly body: string }>

/** The standard output of a command. If the command fails, the error contains its whole output. */
function done(command: string, argv: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, argv, { cwd, encoding: 'utf8', env: withoutTestContext() })
  assert.equal(status, 0, `${command} ${argv.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** The environment without the variable that would make `node --test` run as a part of this test. */
function withoutTestContext(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, ...rest } = env as NodeJS.ProcessEnv
  return rest
}

async function readyGateway(stdout: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface(stdout)) {
    const event = JSON.parse(line) as { readonly event: string; readonly gateway: string }
    if (event.event === 'ready') return event.gateway
  }
  throw new Error('waggle run ended before it was ready')
}

const visits = `
import { Consumed, Grouped, Materialized, Produced, Serdes, StreamsBuilder } from 'waggle-streams'
export const text = Serdes.string()
const builder = new StreamsBuilder()
builder.stream('visits', Consumed.with(text, text)).groupByKey(Grouped.with(text, text))
  .count(Materialized.as('counts', { keySerde: text, valueSerde: Serdes.long() })).toStream().to('counted', Produced.with(text, Serdes.long()))
export const topology = builder.build()
`

const program = `
import { Consumed, Produced, Serdes, Streams } from 'waggle-streams'
import { text, topology } from './visits.js'
await using streams = new Streams(topology, { applicationId: 'visits', log: 'embedded', stateDir: 'visits-data', cacheMaxBytes: 0, numThreads: 2, module: new URL('./visits.js', import.meta.url) })
await streams.start()
for (const key of ['a', 'a', 'b']) await streams.send('visits', { key, value: 'x' }, Produced.with(text, text))
const counted = []
for await (const { key, value } of streams.records('counted', Consumed.with(text, Serdes.long()))) if (counted.push(key + ' ' + value) === 3) break
console.log(counted.sort().join('\\n'))
`

const modelSwarm = `name: small
bees:
  - {name: input, type: gateway-input, spec: {name: small}}
  - {name: model, type: tensor-rt, input: {name: input}, spec: {model: ./small.onnx, labels: [no, yes]}}
  - {name: answer, type: respond, input: {name: model}}
`
