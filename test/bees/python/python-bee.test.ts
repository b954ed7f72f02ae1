import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { DeadLetterPage } from '../../../topology/swarm/log-management.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

const bees = `  - {name: work, type: python, input: {name: entrance}, timeout_seconds: 20, spec: {file: ./work.py, bee: work}}
  - {name: answer, type: respond, input: {name: work}}`

const work = `
import os, sys, time
from waggle import Refused, register_bee

print("loaded")
print('{"waggle": 1}')

@register_bee(name="work")
def work(payload):
    if payload == "raise":
        raise ValueError("no such bear")
    if payload == "refuse":
        raise Refused("send a bear")
    if payload == "die":
        os._exit(3)
    if payload == "sleep":
        time.sleep(60)
    if payload == "print":
        print('{"id": 1, "json": 2}')
        os.write(1, b"\\xff\\x00 rubbish without an end")
    if payload == "flood":
        for _ in range(20000):
            print("out " * 20)
            print("err " * 20, file=sys.stderr)
    if payload == "leave":
        sys.exit(4)
    if payload == "object":
        return object()
    return {"got": payload}
`

interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly bee: string
}

describe('A swarm with a Python bee', { skip: skipWithoutPython }, () => {
  let swarm: SwarmHere
  let letters = 0

  before(async () => {
    swarm = await SwarmHere.open({}, { bees, files: { 'work.py': work } })
  })
  after(() => swarm?.[Symbol.asyncDispose]())

  const answerTo = async (body: unknown) => {
    const response = await swarm.ask(body)
    return { status: response.status, body: (await response.json()) as unknown }
  }

  const failureOf = async (body: unknown): Promise<Problem> => {
    const { status, body: problem } = await answerTo(body)
    return { ...(problem as Problem), status }
  }

  /** Checks that there is one more dead letter than before. */
  const isBuried = async () => {
    letters++
    await eventually(async () => {
      const page = (await (await fetch(`${swarm.url}/v1/dead-letters`)).json()) as DeadLetterPage
      return page.dead_letters.length === letters
    })
    assert.deepEqual(await answerTo('next'), { status: 200, body: { got: 'next' } })
  }

  it('answers with the returned value of the function', async () => {
    assert.deepEqual(await answerTo({ name: 'teddy', tags: ['ä', '🐻'] }), { status: 200, body: { got: { name: 'teddy', tags: ['ä', '🐻'] } } })
  })

  it('fails a request with the line of the error if the function raises an error, and keeps a dead letter', async () => {
    const { status, code, detail, bee } = await failureOf('raise')
    assert.deepEqual([status, code, bee, detail], [502, 'WAGGLE_BEE_FAILED', 'work', 'ValueError: no such bear (work.py:11)'])
    await isBuried()
  })

  it('answers 422 without a dead letter if the function refuses the input', async () => {
    const { status, detail } = await failureOf('refuse')
    assert.deepEqual([status, detail], [422, 'send a bear'])
  })

  it('fails a request that kills the process, keeps a dead letter, and answers the next request', async () => {
    const { status, code, detail } = await failureOf('die')
    assert.deepEqual([status, code], [502, 'WAGGLE_BEE_DIED'])
    assert.match(detail, /ended with status 3/)
    await isBuried()
  })

  it('answers all requests that are open while the process dies', async () => {
    const outcomes = await Promise.all(Array.from({ length: 40 }, (_, at) => answerTo(at === 20 ? 'die' : at)))
    outcomes.forEach(({ status, body }, at) => {
      assert.equal(status, at === 20 ? 502 : 200, JSON.stringify(body))
      if (at !== 20) assert.deepEqual(body, { got: at })
    })
    await isBuried()
  })

  it('logs each line that the function prints, even one that looks like a message', async () => {
    assert.deepEqual(await answerTo('print'), { status: 200, body: { got: 'print' } })
    assert.ok(swarm.said.includes('info {"id": 1, "json": 2}'))
  })

  it('answers requests of a function that floods its outputs, and logs only some of the lines', async () => {
    const lines = swarm.said.length
    assert.deepEqual(await answerTo('flood'), { status: 200, body: { got: 'flood' } })
    assert.ok(swarm.said.length - lines < 4000, `${swarm.said.length - lines} lines`)
  })

  it('fails a request whose function exits its process, and keeps a dead letter', async () => {
    const { status } = await failureOf('leave')
    assert.equal(status, 502)
    await isBuried()
  })

  it('fails a request whose result cannot be sent, and keeps a dead letter', async () => {
    const { status, detail } = await failureOf('object')
    assert.equal(status, 502)
    assert.match(detail, /object/)
    await isBuried()
  })
})

describe('A Python bee that cannot start', { skip: skipWithoutPython }, () => {
  const open = (files: { readonly [name: string]: string }, spec = '{file: ./work.py, bee: work}') =>
    SwarmHere.open({}, { bees: bees.replace('{file: ./work.py, bee: work}', spec), files })

  for (const [what, files, spec, wanted] of [
    [
      'without its file',
      {},
      '{file: ./none.py, bee: work}',
      { code: 'WAGGLE_FILE_NOT_FOUND', message: /There is no file .*none\.py/, place: /swarm\.yaml:4:/ },
    ],
    [
      'with a syntax error',
      { 'work.py': 'import os\ndef work(:\n' },
      undefined,
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /SyntaxError: invalid syntax/, place: /work\.py:2$/ },
    ],
    [
      'that raises an error while it loads',
      { 'work.py': 'x = 1\nx / 0\n' },
      undefined,
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /ZeroDivisionError/, place: /work\.py:2$/ },
    ],
    [
      'that exits while it loads',
      { 'work.py': 'import os\nos._exit(7)\n' },
      undefined,
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /ended with status 7/ },
    ],
    [
      'without a package',
      { 'work.py': 'import no_such_package\n' },
      undefined,
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /No module named 'no_such_package'/, next: /Add the package of no_such_package/ },
    ],
    [
      'whose file has another bee',
      { 'work.py': 'from waggle import register_bee\n@register_bee(name="wrok")\ndef f(payload): pass\n' },
      undefined,
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /no bee 'work'.*wrok/ },
    ],
    ['whose file has no bee', { 'work.py': 'x = 1\n' }, undefined, { code: 'WAGGLE_BEE_NOT_STARTED', message: /registers none/ }],
    [
      'whose file is not Python',
      { 'work.txt': 'x' },
      '{file: ./work.txt, bee: work}',
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /\.py file or a notebook/ },
    ],
    [
      'whose notebook is not a notebook',
      { 'work.ipynb': 'this is no JSON' },
      '{file: ./work.ipynb, bee: work}',
      { code: 'WAGGLE_BEE_NOT_STARTED', message: /notebook/ },
    ],
    [
      'with an image that does not exist',
      { 'work.py': work },
      '{file: ./work.py, bee: work, image: "127.0.0.1:1/python:3"}',
      { code: 'WAGGLE_NOT_RESOLVED', message: /the image 127\.0\.0\.1:1\/python:3/ },
    ],
    [
      'whose requirements are missing',
      { 'work.py': work },
      '{file: ./work.py, bee: work, requirements: ./none.txt}',
      { code: 'WAGGLE_FILE_NOT_FOUND', message: /none\.txt/ },
    ],
  ] as const) {
    it(`causes an error with the reason: ${what}`, async () => {
      await assert.rejects(open(files, spec), (error: unknown) => {
        assert.ok(error instanceof WaggleError, String(error))
        assert.equal(error.code, wanted.code)
        assert.match(error.message, wanted.message)
        if ('place' in wanted) assert.match(error.place ?? '', wanted.place)
        if ('next' in wanted) assert.match(error.next, wanted.next)
        return true
      })
    })
  }
})

describe('A Python bee', { skip: skipWithoutPython }, () => {
  it('may be a notebook, whose code cells run', async () => {
    const cells = [
      { cell_type: 'markdown', source: ['# A bee\n'] },
      { cell_type: 'code', source: ['%matplotlib inline\n', '!pip list\n', 'from waggle import register_bee\n'] },
      { cell_type: 'code', source: ['@register_bee(name="work")\n', 'def work(payload):\n', '    return {"from": "a notebook"}\n'] },
    ]
    const files = { 'work.ipynb': JSON.stringify({ cells, nbformat: 4, nbformat_minor: 5, metadata: {} }) }
    await using swarm = await SwarmHere.open({}, { bees: bees.replace('work.py', 'work.ipynb'), files })
    assert.deepEqual(await (await swarm.ask(1)).json(), { from: 'a notebook' })
  })

  it('finds modules beside its file, and gets only its own environment', async () => {
    process.env.WAGGLE_SECRET_OF_PYTHON_TEST = 'hidden'
    const file = `import os, beside\nfrom waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return {"beside": beside.value, "own": os.environ.get("OWN"), "secret": os.environ.get("WAGGLE_SECRET_OF_PYTHON_TEST"), "folder": os.path.exists("beside.py")}\n`
    const spec = '{file: ./work.py, bee: work, env: {OWN: "yes"}}'
    await using swarm = await SwarmHere.open(
      {},
      { bees: bees.replace('{file: ./work.py, bee: work}', spec), files: { 'work.py': file, 'beside.py': 'value = 7\n' } },
    )
    assert.deepEqual(await (await swarm.ask(1)).json(), { beside: 7, own: 'yes', secret: null, folder: true })
  })

  it('fails a request that it never answers, and answers the next request from a new process', async () => {
    const patient = bees.replace('timeout_seconds: 20', 'timeout_seconds: 1')
    await using swarm = await SwarmHere.open({}, { bees: patient, files: { 'work.py': work } })
    const response = await swarm.ask('sleep')
    assert.deepEqual([response.status, ((await response.json()) as Problem).code], [502, 'WAGGLE_TIMEOUT'])
    await eventually(async () => (await swarm.ask('next')).status === 200)
    assert.ok(
      swarm.said.some((line) => /it (gave no result since a call that timed out|left 2 requests without a result); starting it again/.test(line)),
    )
  })

  it('runs in several processes', async () => {
    const file = `import os\nfrom waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return os.getpid()\n`
    const spec = '{file: ./work.py, bee: work, workers: 3}'
    await using swarm = await SwarmHere.open({}, { bees: bees.replace('{file: ./work.py, bee: work}', spec), files: { 'work.py': file } })
    const processes = new Set<unknown>()
    for (let at = 0; at < 3; at++) processes.add(await (await swarm.ask(at)).json())
    assert.equal(processes.size, 3)
  })
})

describe('A Python bee in development', { skip: skipWithoutPython }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-reload-'))
  after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'work.py')
  const write = (body: string) =>
    writeFileSync(file, `import time\nfrom waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    ${body}\n`)

  it('is loaded again when its file is saved, and loses no request; if the new file cannot be loaded, the earlier version continues', async () => {
    write('return "first"')
    const own = bees.replace('./work.py', JSON.stringify(file))
    await using swarm = await SwarmHere.open({ WAGGLE_DEV: '1' }, { bees: own })
    const ask = async () => {
      const response = await swarm.ask(1)
      assert.equal(response.status, 200)
      return (await response.json()) as string
    }
    assert.equal(await ask(), 'first')
    write('time.sleep(0.01); return "the second one"')
    const seen = new Set<string>()
    while (!seen.has('the second one')) for (const answer of await Promise.all(Array.from({ length: 10 }, ask))) seen.add(answer)
    assert.deepEqual(
      [...seen].filter((answer) => answer !== 'first'),
      ['the second one'],
    )
    write('return (')
    await eventually(async () => swarm.said.some((line) => /work\.py:5: .*cannot start: SyntaxError.*goes on/.test(line)))
    assert.equal(await ask(), 'the second one')
    write('return "the third one, which can be loaded"')
    await eventually(async () => (await ask()) === 'the third one, which can be loaded')
  })
})
