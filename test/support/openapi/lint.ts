import { createConfig, lint } from '@redocly/openapi-core';

/**
 * What Redocly's recommended rules find wrong with a document of this repository, OpenAPI or AsyncAPI, beside what
 * `.redocly.lint-ignore.yaml` lists.
 */
export async function lintProblems(file: string): Promise<string[]> {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lint({ ref: file, config });
  return problems
    .filter(({ ignored }) => !ignored)
    .map(({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0]?.pointer ?? ''})`);
}
