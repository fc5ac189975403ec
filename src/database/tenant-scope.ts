import {
  AliasNode,
  AndNode,
  BinaryOperationNode,
  ColumnNode,
  type ColumnUpdateNode,
  type DeleteQueryNode,
  IdentifierNode,
  type InsertQueryNode,
  type JoinNode,
  type KyselyPlugin,
  type MergeQueryNode,
  OnNode,
  type OnConflictNode,
  type OperationNode,
  OperationNodeTransformer,
  OperatorNode,
  ParensNode,
  type QueryResult,
  type RawNode,
  ReferenceNode,
  type RootOperationNode,
  SelectionNode,
  SelectQueryNode,
  TableNode,
  UnaryOperationNode,
  type UnknownRow,
  type UpdateQueryNode,
  ValueListNode,
  ValueNode,
  ValuesNode,
  WhereNode,
  type WithNode,
} from 'kysely';
import { type Belonging, belongingOf } from './tenant-tables.js';

const STATEMENTS = new Set(['SelectQueryNode', 'InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode']);
const INNER_OR_LEFT = new Set(['InnerJoin', 'LeftJoin']);
/** Raw text that may read a table, which nobody could add a tenant to. */
const READS_TABLES = /\b(select|join|table|union|with|merge|insert|delete)\b/i;
/** What `belongs` calls the rows that others hang on. */
const OWN_NAMES = /^owner(_of)*$/;
const EQUALS = OperatorNode.create('=');
const EXISTS = OperatorNode.create('exists');

/**
 * Puts one tenant into every statement: rows of others are neither seen nor changed, nor is anything made for others.
 * What it cannot be sure of it refuses, before anything is asked of the database.
 */
export class TenantScope implements KyselyPlugin {
  constructor(private readonly tenantId: string) {}

  transformQuery({ node }: { node: RootOperationNode }): RootOperationNode {
    return rewriter.rewrite(node, this.tenantId);
  }

  transformResult({ result }: { result: QueryResult<UnknownRow> }): Promise<QueryResult<UnknownRow>> {
    return Promise.resolve(result);
  }
}

/** One for all: to make it costs more than to use it, and it never waits in the middle. */
class TenantRewriter extends OperationNodeTransformer {
  private tenantId = '';
  /** Parts of statements that have been rewritten, and for whom: a subquery may be made through a scoped handle, too. */
  private readonly rewritten = new WeakMap<OperationNode, string>();

  rewrite(node: RootOperationNode, tenantId: string): RootOperationNode {
    if (!STATEMENTS.has(node.kind)) throw refused(`a ${node.kind}`);
    this.tenantId = tenantId;
    this.nodeStack.length = 0;
    return this.transformNode(node);
  }

  protected override transformSelectQuery(node: SelectQueryNode): SelectQueryNode {
    if (this.rewritten.get(node) === this.tenantId) return node;
    const query = super.transformSelectQuery(node);
    return this.remember({ ...query, where: this.narrowed(query.where, node.from?.froms ?? []) });
  }

  protected override transformUpdateQuery(node: UpdateQueryNode): UpdateQueryNode {
    const { table, from, updates = [] } = node;
    if (table !== undefined) this.refuseHandingOver(table, updates);
    const query = super.transformUpdateQuery(node);
    const sources = [...(table === undefined ? [] : [table]), ...(from?.froms ?? [])];
    return { ...query, where: this.narrowed(query.where, sources) };
  }

  protected override transformDeleteQuery(node: DeleteQueryNode): DeleteQueryNode {
    const query = super.transformDeleteQuery(node);
    const sources = [...node.from.froms, ...(node.using?.tables ?? [])];
    return { ...query, where: this.narrowed(query.where, sources) };
  }

  /** In the condition of the join: in that of the statement it would turn a left join into an inner one. */
  protected override transformJoin(node: JoinNode): JoinNode {
    const join = super.transformJoin(node);
    const condition = this.conditionFor(node.table);
    if (condition === undefined) return join;
    if (!INNER_OR_LEFT.has(node.joinType)) throw refused(`a ${node.joinType}`);
    return { ...join, on: OnNode.create(both(join.on?.on, condition)) };
  }

  protected override transformInsertQuery(node: InsertQueryNode): InsertQueryNode {
    const query = super.transformInsertQuery(node);
    const into = node.into && this.belonging(node.into);
    if (into === undefined) throw refused('an insert without its table');
    if (into.belonging === null) return query;
    const { values, columns = [], onConflict } = query;
    const index = columns.findIndex((column) => columnName(column) === into.belonging?.column);
    const isPlain = !query.replace && query.orAction === undefined && query.onDuplicateKey === undefined;
    if (!isPlain || index === -1 || values === undefined || !ValuesNode.is(values)) {
      throw refused(`an insert into ${into.name} whose owner cannot be seen`);
    }
    const { belonging } = into;
    const rows = values.values.map((row) => {
      const items = ValueListNode.is(row) ? row.values : row.values.map((value) => ValueNode.create(value));
      return ValueListNode.create(
        items.map((item, at) => (at === index ? this.owned(belonging, item) : item)),
      );
    });
    return {
      ...query,
      values: ValuesNode.create(rows),
      ...(onConflict === undefined ? {} : { onConflict: this.ownConflict(onConflict, node.into) }),
    };
  }

  protected override transformRaw(node: RawNode): RawNode {
    const text = node.sqlFragments.find((fragment) => READS_TABLES.test(fragment));
    if (text !== undefined) throw refused(`raw SQL that may read tables ("${text.trim()}")`);
    return super.transformRaw(node);
  }

  protected override transformWith(_node: WithNode): WithNode {
    throw refused('a common table expression');
  }

  protected override transformMergeQuery(_node: MergeQueryNode): MergeQueryNode {
    throw refused('a merge');
  }

  /** A row of another tenant that stands in the way stays as it is. */
  private ownConflict(node: OnConflictNode, into: TableNode | undefined): OnConflictNode {
    if (node.updates === undefined || into === undefined) return node;
    this.refuseHandingOver(into, node.updates);
    const condition = this.conditionFor(into);
    return condition === undefined
      ? node
      : { ...node, updateWhere: WhereNode.create(both(node.updateWhere?.where, condition)) };
  }

  private refuseHandingOver(table: OperationNode, updates: readonly ColumnUpdateNode[]): void {
    const { belonging } = this.belonging(table);
    if (belonging && updates.some(({ column }) => columnName(column) === belonging.column)) {
      throw refused('to hand a row to another tenant');
    }
  }

  /** The value that says to whom a new row belongs: the tenant itself; or a parent of the tenant's, else null. */
  private owned(belonging: Belonging, item: OperationNode): OperationNode {
    if (!('parent' in belonging)) {
      if (ValueNode.is(item) && item.value === this.tenantId) return item;
      throw refused('to make something for another tenant');
    }
    const isParent = BinaryOperationNode.create(reference('owner', 'id'), EQUALS, item);
    return this.selectFrom(belonging.parent, 'owner', isParent);
  }

  private narrowed(where: WhereNode | undefined, sources: readonly OperationNode[]): WhereNode | undefined {
    let condition = where?.where;
    for (const source of sources) {
      const own = this.conditionFor(source);
      if (own !== undefined) condition = both(condition, own);
    }
    return condition && WhereNode.create(condition);
  }

  /** What rows of a table must be; undefined for a table of nobody, and for a subquery, which has its own. */
  private conditionFor(source: OperationNode): OperationNode | undefined {
    if (SelectQueryNode.is(AliasNode.is(source) ? source.node : source)) return undefined;
    const { belonging, name } = this.belonging(source);
    const alias = AliasNode.is(source) && IdentifierNode.is(source.alias) ? source.alias.name : name;
    if (OWN_NAMES.test(alias)) throw refused(`the name ${alias}, which its own conditions have`);
    return belonging === null ? undefined : this.belongs(belonging, alias, 'owner');
  }

  private belongs(belonging: Belonging, as: string, next: string): OperationNode {
    const column = reference(as, belonging.column);
    if (!('parent' in belonging)) {
      return BinaryOperationNode.create(column, EQUALS, ValueNode.create(this.tenantId));
    }
    const isParent = BinaryOperationNode.create(reference(next, 'id'), EQUALS, column);
    return UnaryOperationNode.create(EXISTS, this.selectFrom(belonging.parent, next, isParent));
  }

  /** The id of such a row of the tenant's. */
  private selectFrom(table: string, as: string, where: OperationNode): SelectQueryNode {
    const source = AliasNode.create(TableNode.create(table), IdentifierNode.create(as));
    const belonging = belongingOf(table);
    const own = belonging ? both(where, this.belongs(belonging, as, `${as}_of`)) : where;
    const selections = [SelectionNode.create(reference(as, 'id'))];
    return this.remember({
      ...SelectQueryNode.createFrom([source]),
      selections,
      where: WhereNode.create(own),
    });
  }

  private belonging(source: OperationNode): { name: string; belonging: Belonging | null } {
    const table = AliasNode.is(source) ? source.node : source;
    if (!TableNode.is(table) || table.table.schema !== undefined) throw refused(`a ${table.kind} as a table`);
    const { name } = table.table.identifier;
    const belonging = belongingOf(name);
    if (belonging === undefined) throw refused(`the table ${name}, which is not in tenant-tables.ts`);
    return { name, belonging };
  }

  private remember<N extends OperationNode>(node: N): N {
    this.rewritten.set(node, this.tenantId);
    return node;
  }
}

const rewriter = new TenantRewriter();

function both(one: OperationNode | undefined, other: OperationNode): OperationNode {
  return one === undefined ? other : AndNode.create(ParensNode.create(one), other);
}

function reference(table: string, column: string): ReferenceNode {
  return ReferenceNode.create(ColumnNode.create(column), TableNode.create(table));
}

function columnName(node: OperationNode): string | undefined {
  if (ReferenceNode.is(node)) return columnName(node.column);
  return ColumnNode.is(node) ? node.column.name : undefined;
}

function refused(what: string): Error {
  return new Error(
    `A handle of one tenant refuses ${what}: write it with Kysely's builder, or, where it is right for all tenants, with acrossTenants().`,
  );
}
