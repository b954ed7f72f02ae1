import { type Attack, statuses } from './attack.ts'

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
const within = (levels: number) => `{"number": 1, "deep": ${nested(levels)}}`

const bodies: { readonly [what: string]: { readonly body: string | Uint8Array; readonly may: readonly number[] } } = {
  'nested 5,000 levels deep': { body: within(5_000), may: [400] },
  'nested 1,000,000 levels deep': { body: nested(1_000_000), may: [400, 413] },
  'a million members': {
    body: JSON.stringify(Object.fromEntries(Array.from({ length: 1_000_000 }, (_, at) => [`k${at}`, at]))),
    may: [400, 413, 200],
  },
  'the number 1e999': { body: '{"number": 1e999}', may: [400] },
  'the number -1e999 in an array': { body: '[[-1e999]]', may: [400] },
  'an integer beyond 2^53': { body: '{"number": 12345678901234567890}', may: [200, 400] },
  'a lone surrogate': { body: '{"number": 1, "text": "\\ud800"}', may: [200, 400] },
  'bytes that are no UTF-8': { body: Uint8Array.of(0x22, 0xff, 0xfe, 0x22), may: [400] },
  'a byte order mark': { body: '\ufeff{"number": 1}', may: [200, 400] },
  'the names of Object.prototype': { body: '{"__proto__": {"number": 7}, "constructor": 1, "toString": 2, "hasOwnProperty": 3}', may: [200] },
  nothing: { body: ' ', may: [400] },
  null: { body: 'null', may: [200] },
  'a comma too much': { body: '{"number": 1,}', may: [400] },
}

export const deepValues: Attack = {
  name: 'values that JSON can hardly hold, to bees that echo, throw, save and run in a process',
  async run(victim) {
    const sent = ['echo', 'throwing', 'boxed'].flatMap((gateway) =>
      Object.entries(bodies).flatMap(([what, { body, may }]) =>
        (['request', 'submit'] as const).map((verb) => ({
          what: `${what} to ${gateway} (${verb})`,
          may:
            verb === 'submit'
              ? may.map((status) => (status === 200 ? 202 : status))
              : gateway === 'throwing'
                ? may.map((status) => (status === 200 ? 502 : status))
                : may,
          send: () => victim.post(gateway, body, {}, verb),
        })),
      ),
    )
    return [...(await statuses(sent)), ...((await victim.isReady()) ? [] : ['the process is not ready'])]
  },
}

const gifts: { readonly [gift: string]: readonly number[] } = {
  plain: [200],
  undefined: [502],
  nan: [502],
  infinity: [502],
  bigint: [502],
  cycle: [502],
  deep: [502],
  throwsWhenRead: [502],
  throwsAsJson: [502],
  proxy: [502],
  endlessTensor: [502],
  wrongTensor: [502],
  negativeTensor: [502],
  noTensor: [502],
  // The labels differ from the labels of the other model. Either order is right.
  names: [200, 502],
  proto: [200, 502],
  strings: [200, 502],
  long: [200, 502],
  many: [200, 502],
  throwsAnything: [502],
  throwsNull: [502],
  throwsLong: [502],
}

export const hostileResults: Attack = {
  name: 'results that nobody can encode',
  async run(victim) {
    const broken = await statuses(
      Object.entries(gifts).map(([gift, may]) => ({ what: `the gift ${gift}`, may, send: () => victim.post('giving', JSON.stringify({ gift })) })),
    )
    const names = await victim.post('giving', JSON.stringify({ gift: 'proto' }))
    if (names.status === 200) {
      const said = await names.text()
      if (/NaN|function|null/.test(said)) broken.push(`labels named as Object.prototype's members: ${said}`)
      const { scores } = JSON.parse(said) as { scores: object }
      for (const name of ['__proto__', 'constructor', 'a', 'b'])
        if (typeof Object.getOwnPropertyDescriptor(scores, name)?.value !== 'number') broken.push(`the answer has no score of ${name}: ${said}`)
    }
    return [...broken, ...((await victim.isReady()) ? [] : ['the process is not ready'])]
  },
}

export const hostileProcesses: Attack = {
  name: 'a process that dies, floods, stays silent and answers rubbish',
  async run(victim) {
    const ask = (what: string, body: object, may: readonly number[]) => ({ what, may, send: () => victim.post('boxed', JSON.stringify(body)) })
    const broken: string[] = []
    for (const [what, body, may] of [
      ['an input that makes it die, its grandchild alive', { die: true }, [502]],
      ['an input that makes it die, nested 500 levels deep', { die: true, deep: JSON.parse(nested(500)) as unknown }, [400, 502]],
      ['an input that it never answers', { silent: true }, [502]],
      ['an input at which it floods its standard error', { flood: 'stderr' }, [200, 502]],
      ['an input at which it answers for 200,000 others', { flood: 'ids' }, [200, 502]],
      ['an input at which it writes 2,000,000 blank lines', { flood: 'blank' }, [200, 502]],
      ['an input at which it writes a line of 100 MB', { flood: 'line' }, [502]],
      ['an input at which it writes rubbish', { rubbish: true }, [200, 502]],
      ['an input that it answers twice', { twice: true }, [200]],
    ] as const) {
      const others = Array.from({ length: 4 }, (_, at) => ask(`a request beside ${what}`, { at }, [200]))
      broken.push(...(await statuses([ask(what, body, may), ...others])))
    }
    broken.push(...(await statuses([ask('a request afterwards', { at: 5 }, [200])])))
    return broken
  },
}
