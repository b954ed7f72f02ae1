import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EmitStrategy, type KTable, SessionWindows, SlidingWindows, type StreamsBuilder, TimeWindows, type Windowed } from 'waggle-streams'
import { read, TextProgram, tableToOut } from '../../support/text-program.ts'

interface Windows {
  count(): KTable<Windowed<string>, number>
  emitStrategy(strategy: EmitStrategy): Windows
}

describe('An emit strategy', () => {
  const cut: { readonly [kind: string]: (builder: StreamsBuilder) => Windows } = {
    'windows of time': (builder) => builder.stream('in', read).groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(10)) as never,
    'sliding windows': (builder) => builder.stream('in', read).groupByKey().windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(10)) as never,
    sessions: (builder) => builder.stream('in', read).groupByKey().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(10)) as never,
  }
  for (const [kind, windowsOf] of Object.entries(cut)) {
    it(`applies to the ${kind} that are counted after it is set, and to none counted before`, async () => {
      const counted = async (order: 'before' | 'after') => {
        await using program = new TextProgram((builder) => {
          const windows = windowsOf(builder)
          if (order === 'before') windows.emitStrategy(EmitStrategy.onWindowClose())
          tableToOut(windows.count() as never)
          if (order === 'after') windows.emitStrategy(EmitStrategy.onWindowClose())
        })
        await program.pipe(['in', 'k', 'a', 1])
        return program.take().length
      }
      assert.deepEqual([await counted('before'), await counted('after')], [0, 1])
    })
  }
})
