import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inferredParts } from '../../../ops/cli/inferred-parts.ts'

const nobody = { topics: [], groups: [], applications: [] }

describe('The parts of an application, by their names', () => {
  it('include changelogs and repartition topics, and neither inputs nor outputs', () => {
    const topics = ['shop-counts-changelog', 'shop-by-user-repartition', 'shop-orders', 'orders', 'bookshop-counts-changelog']
    assert.deepEqual(inferredParts('shop', { ...nobody, topics }).topics, ['shop-counts-changelog', 'shop-by-user-repartition'])
  })

  it('include the application’s own group, and the groups of sub-topologies with generated names', () => {
    const groups = ['shop', 'shop-KSTREAM-SOURCE-0000000000', 'shop-KTABLE-SOURCE-0000000012', 'bookshop']
    assert.deepEqual(inferredParts('shop', { ...nobody, groups }), { topics: [], groups: groups.slice(0, 3), unsure: [] })
  })

  it('exclude the parts of an application whose id begins with the same text', () => {
    const topics = ['shop-counts-changelog', 'shop-eu-counts-changelog']
    const byGroup = inferredParts('shop', { ...nobody, topics, groups: ['shop', 'shop-eu'] })
    assert.deepEqual(byGroup, { topics: ['shop-counts-changelog'], groups: ['shop'], unsure: ['shop-eu'] })
    const byStore = inferredParts('shop', { ...nobody, topics, applications: ['shop', 'shop-eu'] })
    assert.deepEqual(byStore.topics, ['shop-counts-changelog'])
  })
})
