import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { LanguageModel } from './language-model.js';
import { ModelCheck } from './model-check.service.js';
import { modelConfig, type ModelConfig } from './model.config.js';
import { OfflineService } from './offline/offline.service.js';

interface ModelRow {
  isChosen(config: ModelConfig): boolean;
  open(config: ModelConfig, offline: OfflineService): Promise<LanguageModel>;
}

/** Opens a model of the application's own; nothing of the server's settings for models counts then. */
export type OpenModel = () => LanguageModel | Promise<LanguageModel>;

const OWN_MODEL = Symbol('language model of the application');

const OFFLINE: Pick<ModelRow, 'open'> = {
  open: async (config, offline) =>
    new (await import('./anthropic/anthropic-model.js')).AnthropicModel({
      defaultModel: 'agentline-offline',
      baseUrl: await offline.start(),
      idleMs: config.MODEL_IDLE_MS,
      label: 'Offline stand-in (not a model)',
      isOnlyModel: true,
    }),
};

/** One row a model: the first that is chosen answers, and only its driver is imported. */
const MODELS: ModelRow[] = [
  {
    isChosen: (config) =>
      [config.ANTHROPIC_API_KEY, config.ANTHROPIC_AUTH_TOKEN, config.ANTHROPIC_BASE_URL].some(
        (value) => value !== undefined,
      ),
    open: async (config) =>
      new (await import('./anthropic/anthropic-model.js')).AnthropicModel({
        defaultModel: config.MODEL,
        baseUrl: config.ANTHROPIC_BASE_URL,
        apiKey: config.ANTHROPIC_API_KEY,
        authToken: config.ANTHROPIC_AUTH_TOKEN,
        idleMs: config.MODEL_IDLE_MS,
        profile: config.MODEL_PROFILE,
        transport: config.ANTHROPIC_TRANSPORT,
      }),
  },
];

@Global()
@Module({
  imports: [ConfigModule.forFeature(modelConfig)],
  providers: [
    OfflineService,
    ModelCheck,
    {
      provide: LanguageModel,
      inject: [modelConfig.KEY, OfflineService, { token: OWN_MODEL, optional: true }],
      useFactory: (config: ModelConfig, offline: OfflineService, own?: OpenModel) =>
        own?.() ?? (MODELS.find((row) => row.isChosen(config)) ?? OFFLINE).open(config, offline),
    },
  ],
  exports: [LanguageModel],
})
export class ModelModule {
  /** For an application with a model of its own: to be imported once, beside `AppModule`. */
  static register(open: OpenModel): DynamicModule {
    const providers = [{ provide: OWN_MODEL, useValue: open }];
    return { module: OwnModelModule, global: true, providers, exports: [OWN_MODEL] };
  }
}

/** Not `ModelModule` itself: with metadata of its own Nest would make that a second time. */
class OwnModelModule {}
