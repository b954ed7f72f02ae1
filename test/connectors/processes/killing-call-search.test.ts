import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { KillingCallSearch } from '../../../connectors/processes/killing-call-search.ts'

it('A call that kills its process is found within 3 + log2(n) deaths, regardless of the calls that are answered before it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1024 }),
      fc.nat(),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (count, seed, chances) => {
        const killer = seed % count
        const search = new KillingCallSearch<number>()
        /** The calls without an answer when the process dies: the killing call, and a random part of the other calls of the group. */
        const open = (group: readonly number[]) => {
          const share = chances.next().value
          return group.filter((call) => call === killer || chances.next().value < share)
        }
        let deaths = 1
        let first: readonly number[] = open([...Array(count).keys()])
        const seen = new Set(first)
        search.split(first)
        for (;;) {
          const group = search.next()
          assert.ok(group.length > 0, 'the killer is in one of the groups')
          for (const call of group) seen.delete(call)
          if (!group.includes(killer)) continue
          deaths++
          first = open(group)
          if (first.length === 1) break
          for (const call of first) seen.add(call)
          search.split(first)
        }
        assert.ok(deaths <= 3 + Math.log2(count), `${deaths} deaths for ${count} calls`)
        assert.deepEqual(
          [...search.takeAll()].sort((a, b) => a - b),
          [...seen].sort((a, b) => a - b),
          'no call is lost',
        )
      },
    ),
  )
})

it('A process that works in order dies twice for each call that kills it', () => {
  const killers = new Set([3, 4, 40])
  const search = new KillingCallSearch<number>()
  const found: number[] = []
  let deaths = 1
  search.split([...Array(64).keys()].slice(3))
  while (!search.isEmpty) {
    const group = search.next()
    const at = group.findIndex((call) => killers.has(call))
    if (at < 0) continue
    deaths++
    const [oldest, ...rest] = group.slice(at)
    if (rest.length === 0 && oldest !== undefined) found.push(oldest)
    else search.split(group.slice(at))
  }
  assert.deepEqual(found, [3, 4, 40])
  assert.equal(deaths, 6)
})
