import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NamedStatement } from '../../../bees/postgres/named-statement.ts'
import { statementValues } from '../../../bees/postgres/statement-values.ts'

describe('A query with named parameters', () => {
  it('becomes a statement with numbered parameters, and a repeated name keeps its number', () => {
    const { text, parameters } = NamedStatement.parse('SELECT :a, $b, :a, :c.d, :"inference-svm".scores.bear WHERE x=:b AND y IN (:a,:e)')
    assert.equal(text, 'SELECT $1, $2, $1, $3, $4 WHERE x=$2 AND y IN ($1,$5)')
    assert.deepEqual(parameters, ['a', 'b', 'c.d', 'inference-svm.scores.bear', 'e'])
  })

  it('keeps texts, quoted names, comments, casts, slices and dollar quotes unchanged', () => {
    for (const query of [
      `SELECT ':a' || 'it''s :b' || E'\\':c' || ":d"`,
      'SELECT 1 -- :a $b\n, 2 /* :c */',
      'SELECT a::text, b[1:2], c[lo:hi], (d)[1:n], f(x := 1)',
      'DO $$ BEGIN :a; END $$; $tag$ :b $$ :c $tag$',
      `SELECT 'not closed :a`,
      'SELECT cost$a FROM t$b',
    ])
      assert.equal(NamedStatement.parse(query).text, query)
  })

  it('knows the line and column in the original query for each place in the statement', () => {
    const query = 'SELECT :a_long_name,\n :other, oops'
    const statement = NamedStatement.parse(query)
    assert.equal(statement.text, 'SELECT $1,\n $2, oops')
    assert.equal(statement.lineAndColumnOf(statement.text.indexOf('oops')), 'line 2, column 10')
    assert.equal(statement.lineAndColumnOf(7), 'line 1, column 8')
  })

  it('counts as read-only if none of its words changes data', () => {
    const isRead = (query: string) => NamedStatement.parse(query).isRead
    for (const query of ['select 1', 'SELECT \'insert\', "update" -- delete', 'WITH a AS (SELECT 1) SELECT * FROM a', 'VALUES (1)'])
      assert.equal(isRead(query), true, query)
    for (const query of [
      'INSERT INTO a VALUES (1)',
      'with a as (delete from b returning 1) select * from a',
      'SELECT 1 INTO a',
      'TRUNCATE a',
      '',
      'CALL f()',
    ])
      assert.equal(isRead(query), false, query)
  })

  it('gets its values from the input’s own fields and from the id of the request', () => {
    const { fields } = NamedStatement.parse('SELECT :request_id, :a, :b.c')
    const values = (input: unknown) => statementValues(input, 'id-1', { fields, types: ['text', 'jsonb', 'text[]'] })
    assert.deepEqual(values({ request_id: 'forged', a: { b: 1 }, b: { c: ['x', '{"}\\'] } }), ['id-1', '{"b":1}', '{"x","{\\"}\\\\"}'])
    assert.throws(() => values({ a: 1, b: {} }), /has no field b\.c/)
    const inherited = NamedStatement.parse('SELECT :constructor.name')
    assert.throws(() => statementValues({}, 'id', { fields: inherited.fields, types: ['text'] }), /has no field constructor\.name/)
  })
})
