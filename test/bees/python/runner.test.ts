import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { json, PythonBee, skipWithoutPython } from '../../support/python-bee.ts'

const hello = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'hello-python', 'hello.py')

describe('The module waggle.runner', { skip: skipWithoutPython }, () => {
  it('passes on the values that a bee of 2021 publishes, and logs the lines that the bee prints', async () => {
    await using bee = await PythonBee.open(hello, 'hello')
    assert.deepEqual(await bee.ask(json({ name: 'Bee' })), json({ name: 'Bee' }))
    await bee.close()
    assert.deepEqual(bee.lines, ['hello Bee'])
  })

  it('returns the value with which a bee of 2021 responds as the bee’s result', async () => {
    await using bee = await PythonBee.open(hello, 'goodbye')
    assert.deepEqual(await bee.ask(json({ name: 'Bee' })), json('goodbye Bee'))
  })

  it('fails a request whose bee raises an error, with the type, the message and the line in the user’s file', async () => {
    await using bee = await PythonBee.open(hello, 'hello')
    const outcome = await bee.ask(json({}))
    assert.ok(outcome instanceof WaggleError)
    assert.equal(outcome.code, 'WAGGLE_BEE_FAILED')
    assert.equal(outcome.message, "KeyError: 'name' (hello.py:5)")
    assert.deepEqual(await bee.ask(json({ name: 'Bee' })), json({ name: 'Bee' }))
  })
})
