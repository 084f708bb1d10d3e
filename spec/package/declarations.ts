import ts from 'typescript';

/** The names that a declaration file exports, sorted. */
export function exportedNames(code: string): string[] {
  const names = parse(code).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) return isExported(statement) ? declaredNames(statement) : [];
    const { exportClause } = statement;
    return exportClause && ts.isNamedExports(exportClause)
      ? exportClause.elements.map(({ name }) => name.text)
      : [];
  });
  return [...new Set(names)].sort();
}

/**
 * The declarations of a file without comments and imports, sorted by name: moved code changes
 * nothing.
 */
export function sortedDeclarations(code: string): string {
  const source = parse(code);
  const printer = ts.createPrinter({ removeComments: true });
  return (
    source.statements
      .filter((statement) => !ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement))
      .map((statement) => {
        const text = printer.printNode(ts.EmitHint.Unspecified, statement, source);
        return { name: declaredNames(statement).join(), text: text.replace(/^(export )?(declare )?/, '') };
      })
      // The sort is stable, so the overloads of a function keep their order.
      .sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1))
      .map(({ text }) => text)
      .join('\n\n')
  );
}

function parse(code: string): ts.SourceFile {
  return ts.createSourceFile('rolled.d.ts', code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
}

function isExported(statement: ts.Statement): boolean {
  if (!ts.canHaveModifiers(statement)) return false;
  return ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  }
  const { name } = statement as { readonly name?: ts.Identifier };
  return name ? [name.text] : [];
}
