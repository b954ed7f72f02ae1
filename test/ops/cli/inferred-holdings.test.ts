import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inferredHoldings, withStepHoldings } from '../../../ops/cli/inferred-holdings.ts'

const nobody = { topics: [], groups: [], applications: [] }

describe('The topics and groups of an application, found by their names,', () => {
  it('include changelogs and repartition topics, but no inputs and outputs', () => {
    const topics = ['shop-counts-changelog', 'shop-by-user-repartition', 'shop-orders', 'orders', 'bookshop-counts-changelog']
    assert.deepEqual(inferredHoldings('shop', { ...nobody, topics }).topics, ['shop-counts-changelog', 'shop-by-user-repartition'])
  })

  it('include the application’s own group, and the groups of sub-topologies with generated names', () => {
    const groups = ['shop', 'shop-KSTREAM-SOURCE-0000000000', 'shop-KTABLE-SOURCE-0000000012', 'bookshop']
    assert.deepEqual(inferredHoldings('shop', { ...nobody, groups }), { topics: [], groups: groups.slice(0, 3), unsure: [] })
  })

  it('exclude those of an application whose id begins with this application’s id', () => {
    const topics = ['shop-counts-changelog', 'shop-eu-counts-changelog']
    const byGroup = inferredHoldings('shop', { ...nobody, topics, groups: ['shop', 'shop-eu'] })
    assert.deepEqual(byGroup, { topics: ['shop-counts-changelog'], groups: ['shop'], unsure: ['shop-eu'] })
    const byStore = inferredHoldings('shop', { ...nobody, topics, applications: ['shop', 'shop-eu'] })
    assert.deepEqual(byStore.topics, ['shop-counts-changelog'])
  })
})

describe('The topics and groups of a swarm whose bees have DSL steps, found by their names,', () => {
  const planned = {
    topics: ['waggle.cards.counts', 'waggle.cards-accepted-repartition', 'waggle.cards-requests-changelog'],
    groups: ['waggle.cards', 'waggle.cards-counts-source'],
    entrances: [],
    stepBees: ['counts'],
  }
  const steps = ['waggle.cards-by-card-repartition', 'waggle.cards-sums-changelog']

  it('include changelogs and repartition topics of the steps, and groups that are named after a step', () => {
    const groups = ['waggle.cards-counts.KSTREAM-SOURCE-0000000004', 'waggle.cards-other.KSTREAM-SOURCE-0000000004']
    const found = withStepHoldings('waggle.cards', planned, { topics: [...planned.topics, ...steps, 'waggle.cards-notes'], groups, applications: [] })
    assert.deepEqual(found, { topics: [...planned.topics, ...steps], groups: [...planned.groups, groups[0]] })
  })

  it('exclude those of a swarm whose name begins with this swarm’s name, even while no process of that swarm runs', () => {
    const other = ['waggle.cards-eu-accepted-repartition', 'waggle.cards-eu-sums-changelog']
    const names = { topics: [...planned.topics, ...other, ...steps], groups: [], applications: [] }
    assert.deepEqual(withStepHoldings('waggle.cards', planned, names).topics, [...planned.topics, ...steps])
    const byGroup = { topics: ['waggle.cards-eu-sums-changelog'], groups: ['waggle.cards-eu'], applications: [] }
    assert.deepEqual(withStepHoldings('waggle.cards', planned, byGroup).topics, planned.topics)
  })

  it('are only those of the plan if no bee has DSL steps', () => {
    const { topics, groups } = withStepHoldings('waggle.cards', { ...planned, stepBees: [] }, { topics: steps, groups: [], applications: [] })
    assert.deepEqual({ topics, groups }, { topics: planned.topics, groups: planned.groups })
  })
})
