import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { LocalPrograms } from '../../../ops/swarms/local-programs.ts'
import { misfit } from '../../../topology/swarm/check/payload-fit.ts'
import type { PythonTypes } from '../../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { sdkEnvironment } from '../../support/python-sdk.ts'

const prelude = `
from __future__ import annotations
import dataclasses, enum, typing
from typing import Any, Dict, List, Literal, Optional, TYPE_CHECKING, TypedDict, Union
from waggle import register_bee
if TYPE_CHECKING:
    from elsewhere import Unknown

class Order(TypedDict):
    id: int
    city: str

class Partial(TypedDict, total=False):
    note: str

class Numbered(TypedDict):
    id: int

if hasattr(typing, "NotRequired"):
    class Rated(Numbered):
        stars: typing.NotRequired[int]
else:
    class Rated(Numbered, total=False):
        stars: int

@dataclasses.dataclass
class Score:
    label: str
    value: float = 0.0

class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"

class ndarray:
    pass
ndarray.__module__ = "numpy"
`

const order = { type: 'object', properties: { id: { type: 'integer' }, city: { type: 'string' } }, required: ['id', 'city'] }
const score = { type: 'object', properties: { label: { type: 'string' }, value: { type: 'number' } }, required: ['label'] }
const anyDict = { type: ['object', 'tensors'] }

/** The signature of a bee, and the types that result from it. */
const signatures: readonly (readonly [signature: string, types: PythonTypes, batch?: true])[] = [
  ['def bee(payload: dict) -> str', { input: anyDict, output: { type: 'string' } }],
  ['def bee(swarm, payload: Order, context) -> Score', { input: order, output: score }],
  ['async def bee(payload: bytes, context) -> List[Score]', { input: { type: 'bytes' }, output: { type: 'array', items: score } }],
  ['def bee(payload: ndarray) -> Dict[str, ndarray]', { input: { type: 'tensors' }, output: { type: 'tensors' } }],
  ['def bee(payload: Optional[str]) -> Union[int, float]', { input: { type: ['string', 'null'] }, output: { type: ['integer', 'number'] } }],
  ['def bee(payload: Literal["a", "b"]) -> Color', { input: { enum: ['a', 'b'] }, output: { enum: ['red', 'blue'] } }],
  [
    'def bee(payload: Partial) -> bool',
    { input: { type: 'object', properties: { note: { type: 'string' } }, required: [] }, output: { type: 'boolean' } },
  ],
  ['def bee(payload: Rated)', { input: { type: 'object', properties: { id: { type: 'integer' }, stars: { type: 'integer' } }, required: ['id'] } }],
  ['def bee(payload: Dict[str, int]) -> None', { input: { type: 'object' }, output: { type: 'null' } }],
  // A bee with a swarm may publish any value, and then returns None.
  ['def bee(swarm, payload, context) -> None', {}],
  ['def bee(payload)', {}],
  ['def bee(payload: Any) -> Unknown', {}],
  ['def bee(payload: Union[Order, str]) -> object', {}],
  ['def bee(payloads: List[Order]) -> List[str]', { input: order, output: { type: 'string' } }, true],
  ['def bee(payloads: ndarray) -> ndarray', { input: { type: 'tensors' }, output: { type: 'tensors' } }, true],
]

const dump = `import json, sys
from waggle.annotations import types_of
from waggle.bee import bee_names
from waggle.bee_file import BeeFile
file = BeeFile(sys.argv[1])
file.load()
print(json.dumps([types_of(file.bee(name)) for name in bee_names()]))`

describe('The annotations of a Python bee', { skip: skipWithoutPython }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-types-'))
  after(() => rmSync(folder, { recursive: true }))
  let count = 0
  const check = (text: string, { name = 'bee', loadMs = 60_000, runsElsewhere = false } = {}) => {
    const file = join(folder, `bee${count++}.py`)
    writeFileSync(file, text)
    return new LocalPrograms({ loadMs }).checkPython({ file, name, requirements: null, env: {}, runsElsewhere })
  }
  const refused = async (checking: Promise<unknown>, what: RegExp, place: RegExp) =>
    assert.rejects(checking, (error: WaggleError) => {
      assert.ok(error instanceof WaggleError)
      assert.match(error.message, what)
      assert.match(error.place ?? '', place)
      return error.code === 'WAGGLE_INVALID_MODULE'
    })

  it('are the types of its payload and its result, or of one item of each if the bee takes batches', async () => {
    const text = `${prelude}${signatures.map(([signature, , batch = false], at) => `@register_bee(name="bee${at}", batch=${batch ? 'True' : 'False'})\n${signature}: ...\n`).join('')}`
    const file = join(folder, 'all.py')
    writeFileSync(file, text)
    const { stdout } = await promisify(execFile)('python3', ['-c', dump, file], { env: sdkEnvironment })
    const types = JSON.parse(stdout) as readonly PythonTypes[]
    for (const [at, [signature, expected]] of signatures.entries()) assert.deepEqual(types[at], expected, signature)
  })

  it('are read even if the file prints, starts a thread, and runs itself as a bee', async () => {
    const noise =
      'import threading, time\nprint("{}" * 100000)\nprint("{\\"waggle\\": 1}")\nthreading.Thread(target=time.sleep, args=(600,)).start()\n'
    assert.deepEqual(await check(`${prelude}${noise}@register_bee\ndef bee(payload: str) -> int: ...\n`), {
      input: { type: 'string' },
      output: { type: 'integer' },
    })
  })

  it('are a mistake, with the file’s name, if the file raises an error, exits, hangs or writes rubbish', async () => {
    const bee = '\n@register_bee\ndef bee(payload): ...\n'
    await refused(check(`${prelude}raise ValueError("no bear")${bee}`), /ValueError: no bear/, /bee\d+\.py:\d+$/)
    await refused(check(`${prelude}import sys; sys.exit(3)${bee}`), /SystemExit/, /bee\d+\.py/)
    await refused(check(`${prelude}import os; os._exit(4)${bee}`), /ends its process while it loads \(status 4\)/, /bee\d+\.py$/)
    await refused(check(`${prelude}import os; os.write(3, b"[1"); os._exit(0)${bee}`), /ends its process while it loads/, /bee\d+\.py$/)
    await refused(check(`${prelude}import time; time.sleep(600)${bee}`, { loadMs: 1500 }), /has not loaded within 1.5 s/, /bee\d+\.py$/)
  })

  it('are unknown if a package is missing, and the file is not imported if the bee runs in an image', async () => {
    const text = `${prelude}import no_such_package\n@register_bee\ndef bee(payload: str): ...\n`
    assert.match((await check(text)).missing ?? '', /no_such_package/)
    assert.deepEqual(await check(text, { runsElsewhere: true }), {})
    await assert.rejects(check('def bee(:\n', { runsElsewhere: true }), /SyntaxError/)
  })
})

it('The command validate names the edge between two Python bees whose annotations do not fit', { skip: skipWithoutPython }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-edges-'))
  try {
    const bees = `@register_bee(name="order")\ndef order(payload) -> Score: ...\n@register_bee(name="ship")\ndef ship(payload: Order) -> str: ...\n`
    writeFileSync(join(folder, 'bees.py'), `${prelude}${bees}`)
    const bee = (name: string, input: string) => `  - {name: ${name}, type: python, input: {name: ${input}}, spec: {file: ./bees.py, bee: ${name}}}\n`
    const file = join(folder, 'swarm.yaml')
    writeFileSync(file, `name: s\nbees:\n  - {name: in, type: gateway-input, spec: {name: s}}\n${bee('order', 'in')}${bee('ship', 'order')}`)
    const main = join(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
    const failed = await promisify(execFile)(process.execPath, [main, 'validate', file]).catch((error: { code: number; stderr: string }) => error)
    assert.match(String(failed.stderr), /swarm\.yaml:5:46: order gives no id \(it gives label, value\), which is taken by ship/)
    assert.equal('code' in failed ? failed.code : 0, 1)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('Bytes and arrays of Python bees', () => {
  const bytes = { type: 'bytes' }
  const arrays = { type: 'tensors' }
  const model = { tensors: { input: { dtype: 'FP32', shape: [-1, 4] } } }
  const text = { type: 'string' }

  it('fit values of the same kind, or of an unknown kind', () => {
    for (const [given, taken] of [
      [bytes, bytes],
      [arrays, model],
      [model, arrays],
      [model, anyDict],
      [arrays, anyDict],
      [{ type: 'object' }, anyDict],
      [bytes, {}],
      [bytes, model],
    ] as const)
      assert.equal(misfit(given, taken), null, JSON.stringify([given, taken]))
  })

  it('fit no other values, and the reason names both kinds', () => {
    assert.equal(misfit(bytes, text), 'gives bytes, where string is taken')
    assert.equal(misfit(text, bytes), 'gives string, where bytes is taken')
    assert.equal(misfit(arrays, text), 'gives tensors, where string is taken')
    assert.equal(misfit(model, bytes), 'gives tensors, where bytes are taken')
    assert.equal(misfit(text, anyDict), 'gives string, where object or tensors is taken')
  })
})
