import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { ownManifest } from '../../topology/own-package.ts'
import { userPlaceOf } from '../../topology/user-place.ts'

const root = dirname(ownManifest)

function withStack(stack: string, cause?: unknown): Error {
  return Object.assign(new Error('no bear', { cause }), { stack: `Error: no bear\n${stack}` })
}

describe('The place of an error in a user’s file', () => {
  it('is the place of the first stack frame outside of Node and Waggle', () => {
    const stack = `    at JSON.parse (<anonymous>)
    at node:internal/modules/run_main:5:1
    at required (file://${root}/topology/streams/required.ts:7:3)
    at compiled (file://${root}/dist/topology/streams/required.js:7:3)
    at detect (file:///home/me/my%20swarm/bear.ts:4:10)
    at Object.process (file:///home/me/my%20swarm/other.ts:9:1)`
    assert.equal(userPlaceOf(withStack(stack)), '/home/me/my swarm/bear.ts:4:10')
  })

  it('is read from each form of a stack frame', () => {
    for (const frame of [
      'at file:///a/b.ts:1:2',
      'at async file:///a/b.ts:1:2',
      'at async Promise.all (index 0)\n    at async detect (file:///a/b.ts:1:2)',
      'at new Bear (/a/b.ts:1:2)',
      'at /a/b.ts:1:2',
      'at Object.<anonymous> (/a/b.ts:1:2)',
      'at Bear.find [as process] (file:///a/b.ts:1:2)',
    ])
      assert.equal(userPlaceOf(withStack(`    ${frame}`)), '/a/b.ts:1:2', frame)
    assert.equal(userPlaceOf(Object.assign(new SyntaxError('x'), { stack: 'file:///a/b.ts:7\nconst =\n     ^\nSyntaxError: x' })), '/a/b.ts:7')
  })

  it('may be in a swarm of Waggle’s own repository', () => {
    assert.equal(userPlaceOf(withStack(`    at detect (file://${root}/swarms/bear.ts:1:2)`)), join(root, 'swarms', 'bear.ts:1:2'))
  })

  it('is in a package only if no other frame exists, not even in a cause', () => {
    const inPackage = '    at deep (file:///a/node_modules/p/q.js:1:2)'
    assert.equal(userPlaceOf(withStack(`${inPackage}\n    at detect (file:///a/b.ts:3:4)`)), '/a/b.ts:3:4')
    assert.equal(userPlaceOf(withStack(inPackage, withStack('    at detect (file:///a/b.ts:3:4)'))), '/a/b.ts:3:4')
    assert.equal(userPlaceOf(withStack(inPackage)), '/a/node_modules/p/q.js:1:2')
  })

  it('is null for any value without such a frame, and the search never throws', () => {
    const own = withStack(`    at call (file://${root}/bees/host.ts:1:2)`)
    const circle = withStack('', null)
    circle.cause = circle
    const hostile = Object.defineProperty(new Error('x'), 'stack', {
      get() {
        throw new Error('no')
      },
    })
    for (const thrown of [own, circle, hostile, null, undefined, 'text', {}, withStack('x:1:2\n'.repeat(100_000))])
      assert.equal(userPlaceOf(thrown), null)
  })
})
